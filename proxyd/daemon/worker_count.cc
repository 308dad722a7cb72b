#include "proxyd/daemon/worker_count.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/config/parameter_file.h"
#include "backends/report/log.h"
#include "backends/table/composite_table.h"
#include "backends/table/table_reader.h"
#include "backends/table_types.h"
#include "protocol/table_name.h"
#include "proxyd/logging/plural.h"

namespace proxyd {
namespace {

constexpr int processors_for_one = 4;
constexpr int least_connections = 4;
constexpr std::chrono::milliseconds reading_limit{5000};

bool is_sql_type(std::string_view type) {
    const auto types = sql_table_types();
    return std::find(types.begin(), types.end(), type) != types.end();
}

// The table's own pool_size; 0: it has none that can be read.
int own_pool_size(const Site& site, const protocol::TableName& table) {
    const std::string name(table.name);
    std::optional<std::string> text;
    if (table::is_file_name(name)) {
        std::string error;
        if (const auto file = config::read_parameter_file(name, error)) {
            if (const auto* parameter = file->find("pool_size")) text = parameter->value;
        }
    } else if (site.main_cf) {
        if (const auto raw = site.main_cf->configured(name + "_pool_size")) text = site.main_cf->expand(*raw);
    }
    if (!text) return 0;
    Options options;
    return set_option(options, "pool_size", *text).empty() ? options.pool_size : 0;
}

void look_at(const Site& site, const std::string& text, std::optional<OwnPoolSize>& smallest) {
    if (const auto composite = table::CompositeTable::parse(text)) {
        for (const auto& member : composite->members) look_at(site, member, smallest);
        return;
    }
    const auto table = protocol::TableName::parse(text);
    if (!is_sql_type(table.type)) return;
    const int size = own_pool_size(site, table);
    if (size > 0 && (!smallest || size < smallest->pool_size)) smallest = OwnPoolSize{text, size};
}

[[noreturn]] void read_in_child(const Site& site, int to) {
    std::optional<OwnPoolSize> smallest;
    try {
        for (const auto& table : site.approved.tables()) look_at(site, table, smallest);
    } catch (const std::exception&) {
        // What has been found counts.
    }
    const auto text =
        smallest ? fmt::format("{} {}", smallest->pool_size, smallest->table) : std::string("0 ");
    (void)!write(to, text.data(), text.size());
    _exit(0);
}

std::optional<OwnPoolSize> parse_found(std::string_view text) {
    OwnPoolSize found;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), found.pool_size);
    if (error != std::errc() || found.pool_size <= 0) return std::nullopt;
    text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
    found.table = text;
    return found;
}

}  // namespace

WorkerCount choose_worker_count(const Options& options, int processors,
                                const std::optional<OwnPoolSize>& smallest) {
    WorkerCount chosen{options.workers.value_or(std::max(1, processors / processors_for_one)), {}};
    const int enough_for = std::max(1, options.pool_size / least_connections);
    if (chosen.count > enough_for) {
        chosen = {enough_for,
                  fmt::format("pool_size = {} has {} connections for each of {} and no more",
                              options.pool_size, least_connections, plural(enough_for, "worker"))};
        if (options.pool_size < least_connections)
            chosen.why_fewer = fmt::format("pool_size = {} is enough for one worker", options.pool_size);
    }
    if (smallest && chosen.count > smallest->pool_size) {
        chosen = {smallest->pool_size, fmt::format("the table {} has a pool_size of its own, {}",
                                                   smallest->table, smallest->pool_size)};
    }
    return chosen;
}

std::optional<OwnPoolSize> smallest_own_pool_size(const Site& site) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
    const pid_t child = fork();
    if (child == 0) read_in_child(site, ends[1]);
    close(ends[1]);
    std::string text;
    pollfd found{ends[0], POLLIN, 0};
    if (child > 0 && poll(&found, 1, static_cast<int>(reading_limit.count())) > 0) {
        std::array<char, 4096> buffer;
        const auto got = read(ends[0], buffer.data(), buffer.size());
        if (got > 0) text.assign(buffer.data(), static_cast<std::size_t>(got));
    }
    close(ends[0]);
    if (child > 0) {
        if (text.empty())
            log().warning("the tables' own pool_size cannot be read in time -- it is not regarded");
        kill(child, SIGKILL);
        // One that a file system holds is left behind: it ends when that lets go.
        while (!text.empty() && waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
    }
    return parse_found(text);
}

int worker_count(const Site& site) {
    const int processors = static_cast<int>(std::thread::hardware_concurrency());
    auto chosen = choose_worker_count(site.options, processors, std::nullopt);
    if (chosen.count > 1)
        chosen = choose_worker_count(site.options, processors, smallest_own_pool_size(site));
    if (!chosen.why_fewer.empty()) {
        log().warning(fmt::format("workers = {} is too many: {} -- starting {}",
                                  option_text(site.options, "workers"), chosen.why_fewer,
                                  plural(chosen.count, "worker")));
    }
    return chosen.count;
}

}  // namespace proxyd
