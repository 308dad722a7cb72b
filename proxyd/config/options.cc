#include "proxyd/config/options.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>
#include <variant>

#include <strings.h>

#include "backends/config/byte_count.h"
#include "backends/config/list.h"

namespace proxyd {
namespace {

using Milliseconds = std::chrono::milliseconds;
using namespace std::chrono_literals;

using Member = std::variant<int Options::*, NumberOrAuto Options::*, std::size_t Options::*, bool Options::*,
                            Milliseconds Options::*, YesNoAuto Options::*, std::string Options::*,
                            std::vector<std::string> Options::*>;

// The declaration of an option: its text for people, its member in Options, and the range of a number, a size
// or a time.
struct Declaration {
    OptionInfo info;
    Member member;
    long long minimum = 0;  // of a time: milliseconds; of a size: bytes
    long long maximum = 0;
};

constexpr long long milliseconds_of(Milliseconds duration) {
    return duration.count();
}

constexpr long long kibibyte = 1024;

using enum OptionType;
constexpr bool table_too = true, daemon_only = false;
constexpr bool on_reload = true, at_restart = false;

const std::vector<Declaration>& declarations() {
    static const std::vector<Declaration> rows = {
        {{"pool_size", integer, "1 to 1000", "8", table_too, on_reload,
          "Maximum number of connections to one database, over all its hosts and all tables that use it. "
          "With "
          "several workers it is for all of them together."},
         &Options::pool_size,
         1,
         1000},
        {{"pipeline_depth", integer, "1 to 1000", "16", table_too, on_reload,
          "Maximum number of lookups under way on one connection to PostgreSQL. With 1 each lookup waits "
          "for the reply to the one before."},
         &Options::pipeline_depth,
         1,
         1000},
        {{"prepared_statements", boolean, "yes or no", "yes", table_too, on_reload,
          "Prepare the query of a table on the server, if its template allows this without a change of "
          "meaning. Switch it off for a connection pooler that does not support prepared statements and "
          "that proxyd does not notice."},
         &Options::prepared_statements},
        {{"connect_timeout", duration, "10ms to 1h", "3s", table_too, on_reload,
          "Time limit for opening one connection to a database."},
         &Options::connect_timeout,
         milliseconds_of(10ms),
         milliseconds_of(1h)},
        {{"lookup_timeout", duration, "10ms to 1h", "10s", table_too, on_reload,
          "Time limit for one lookup, including queueing and reconnecting. After it the client is told to "
          "try again later."},
         &Options::lookup_timeout,
         milliseconds_of(10ms),
         milliseconds_of(1h)},
        {{"idle_interval", duration, "1s to 24h", "60s", table_too, on_reload,
          "Close a database connection after it has been unused for this time."},
         &Options::idle_interval,
         milliseconds_of(1000ms),
         milliseconds_of(24h)},
        {{"connection_lifetime", duration, "0 to 7d", "3600s", table_too, on_reload,
          "Close a database connection at this age, or up to a fifth earlier, as soon as nothing is under "
          "way on it. It gets no further lookups; another connection is opened when it is needed. So "
          "proxyd follows changed addresses, and a pooler or balancer that waits for connections to end "
          "can finish. With 0 there is no limit."},
         &Options::connection_lifetime,
         0,
         milliseconds_of(7 * 24h)},
        {{"queue_limit", integer, "1 to 1000000", "10000", table_too, on_reload,
          "Maximum number of lookups that wait for a connection to one database, in each worker. Further "
          "lookups are told to try again later."},
         &Options::queue_limit,
         1,
         1000000},
        {{"answer_size_limit", size, "4K to 1G", "16M", table_too, on_reload,
          "Maximum size in bytes of an answer of the database: all values of all rows, and 16 bytes more "
          "for each value and each row. The result has the same limit. Above it proxyd gives up the query "
          "while the answer still arrives, and tells the client to try again later. The letters K, M and G "
          "stand for 1024 bytes and their powers."},
         &Options::answer_size_limit,
         4 * kibibyte,
         kibibyte * 1024 * 1024},
        {{"cache_ttl", duration, "0 to 24h", "0", table_too, on_reload,
          "How long proxyd may repeat a value without asking the database. Changes in the database show "
          "only after this time; proxyctl flush makes them show at once. With 0 the database is asked "
          "every time. Answers of queries that may change data are never kept."},
         &Options::cache_ttl,
         0,
         milliseconds_of(24h)},
        {{"cache_negative_ttl", duration, "0 to 24h", "0", table_too, on_reload,
          "The same for keys that were not found. A new mailbox can stay unknown for this time."},
         &Options::cache_negative_ttl,
         0,
         milliseconds_of(24h)},
        {{"stale_ttl", duration, "0 to 7d", "0", table_too, on_reload,
          "If no host of the database answers within lookup_timeout, or takes connections, proxyd gives "
          "the last known answer, found or not found, up to this age, instead of \"try again later\". The "
          "log says so. Errors of the query, a wrong password and the like do not count. With 0 no such "
          "answers are given."},
         &Options::stale_ttl,
         0,
         milliseconds_of(7 * 24h)},
        {{"cache_size", integer, "1 to 10000000", "10000", table_too, on_reload,
          "Maximum number of kept answers per table (for cache_ttl, cache_negative_ttl and stale_ttl). "
          "They take at most 1 KiB of memory times this number, keys included. Answers that have not been "
          "used for longest are removed first. With several workers the number is for all of them together; "
          "each keeps answers of its own."},
         &Options::cache_size,
         1,
         10000000},
        {{"relay_service", text, "a service name, or the path of a socket", "proxymap-stock", daemon_only,
          on_reload,
          "The stock proxymap(8) service for tables of the types that proxyd does not serve itself. A name "
          "is the name of a service in master.cf. Empty: such tables are not served."},
         &Options::relay_service},
        {{"relay_write_service", text, "a service name, or the path of a socket", "proxywrite-stock",
          daemon_only, on_reload, "The same for the proxywrite service. All its tables are of such types."},
         &Options::relay_write_service},
        {{"relay_connections", integer, "1 to 1000", "16", daemon_only, on_reload,
          "Maximum number of connections to the stock proxymap(8). Each connection has its own process. "
          "Further connections are opened only while lookups are slow. With several workers the number is "
          "for all of them together, but each may have one."},
         &Options::relay_connections,
         1,
         1000},
        {{"postfix_greeting", yes_no_auto, "yes, no or auto", "auto", daemon_only, on_reload,
          "Whether to greet a client before it asks, as Postfix does since 3.6. The value auto follows the "
          "version of the installed Postfix."},
         &Options::postfix_greeting},
        {{"request_size_limit", size, "4K to 1G", "1M", daemon_only, on_reload,
          "Maximum size of a request in bytes. A client that sends a longer request is disconnected. "
          "Buffers of all clients together are limited to 64 MiB, or to four times this value if that is "
          "more. Above the limit the clients that have held the most memory for the longest are "
          "disconnected. Long results that are being read count, too, but end no connection: a result "
          "without room becomes \"try again later\". With several workers the 64 MiB are for all of them "
          "together, but each may use four times this value."},
         &Options::request_size_limit,
         4 * kibibyte,
         kibibyte * 1024 * 1024},
        {{"request_timeout", duration, "100ms to 1h", "10s", daemon_only, on_reload,
          "Time limit for a client to send the rest of a request that it has begun, and to read its reply."},
         &Options::request_timeout,
         milliseconds_of(100ms),
         milliseconds_of(1h)},
        {{"allowed_tables", list, "type:name entries", "", daemon_only, on_reload,
          "The tables that clients may ask for with --listen, when there is no Postfix whose "
          "proxy_read_maps says so.",
          "pgsql:/etc/proxyd/virtual_aliases.cf, pgsql:/etc/proxyd/virtual_domains.cf"},
         &Options::allowed_tables},
        {{"smtputf8_enable", boolean, "yes or no", "yes", daemon_only, at_restart,
          "Fold and check keys and values as UTF-8 with --listen, when there is no Postfix whose parameter "
          "of this name says so."},
         &Options::smtputf8_enable},
        {{"workers", integer_or_auto, "1 to 64, or auto", "1", daemon_only, at_restart,
          "Number of processes that serve clients, each on a processor of its own. The value auto means one "
          "for four processors. There are never more than pool_size allows: each gets at least four of its "
          "connections, and at least one of those of a table with a pool_size of its own. The log says when "
          "fewer are started."},
         &Options::workers,
         1,
         64},
        {{"repeat_interval", duration, "0 to 24h", "60s", daemon_only, on_reload,
          "Write only the first log line about one trouble in this interval, and count the others. With 0 "
          "all lines are written."},
         &Options::repeat_interval,
         0,
         milliseconds_of(24h)},
        {{"drain_timeout", duration, "0 to 1h", "15s", daemon_only, on_reload,
          "How long the old process may finish lookups after postfix reload has started a new process. A "
          "stop leaves them three seconds."},
         &Options::drain_timeout,
         0,
         milliseconds_of(1h)},
        {{"watchdog_timeout", duration, "0 to 1h", "30s", daemon_only, at_restart,
          "Kill and replace a serving process whose event loop has stood still for this time, because a "
          "file system hangs or somebody has stopped the process. Its clients ask the new process. Less "
          "than a second counts as one second. 0 switches the watchdog off. If a service manager has "
          "started the daemon, its own watchdog is used instead, unless there are several workers."},
         &Options::watchdog_timeout,
         0,
         milliseconds_of(1h)},
        {{"busy_poll", integer, "0 to 1000", "100", daemon_only, on_reload,
          "While replies and requests follow each other within this many microseconds, look for the next "
          "one for that long before going to sleep. Lookups that follow each other become faster; it costs "
          "processor time only then. 0 switches it off."},
         &Options::busy_poll,
         0,
         1000},
        {{"seccomp", boolean, "yes or no", "yes", daemon_only, at_restart,
          "Make the kernel refuse system calls that no lookup needs: debugging other processes, mounting, "
          "loading kernel modules. Switch it off if a library needs one of them."},
         &Options::seccomp},
    };
    return rows;
}

const Declaration* find(std::string_view name) {
    for (const Declaration& row : declarations()) {
        if (row.info.name == name) return &row;
    }
    return nullptr;
}

// Units of time, long ones first. A number without a unit counts seconds.
constexpr std::pair<std::string_view, long long> units[] = {{"w", 604800000}, {"d", 86400000}, {"h", 3600000},
                                                            {"m", 60000},     {"s", 1000},     {"ms", 1}};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool take_number(std::string_view& text, long long& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return error == std::errc();
}

// Each parses the text into `value`, or returns false.
bool parse(std::string_view text, const Declaration& row, int& value) {
    long long number = 0;
    if (!take_number(text, number) || !text.empty() || number < row.minimum || number > row.maximum)
        return false;
    value = static_cast<int>(number);
    return true;
}

bool parse(std::string_view text, const Declaration& row, NumberOrAuto& value) {
    if (equal_ignoring_case(text, "auto")) {
        value = std::nullopt;
        return true;
    }
    int number = 0;
    if (!parse(text, row, number)) return false;
    value = number;
    return true;
}

bool parse(std::string_view text, const Declaration& row, std::size_t& value) {
    const auto bytes = config::parse_byte_count(text);
    if (!bytes || *bytes < static_cast<std::size_t>(row.minimum) ||
        *bytes > static_cast<std::size_t>(row.maximum))
        return false;
    value = *bytes;
    return true;
}

bool parse(std::string_view text, const Declaration& row, Milliseconds& value) {
    long long number = 0;
    if (!take_number(text, number)) return false;
    long long unit = text.empty() ? 1000 : 0;
    for (const auto& [name, length] : units) {
        if (equal_ignoring_case(text, name)) unit = length;
    }
    if (unit == 0 || number < 0 || number > std::numeric_limits<long long>::max() / unit) return false;
    if (number * unit < row.minimum || number * unit > row.maximum) return false;
    value = Milliseconds(number * unit);
    return true;
}

bool parse(std::string_view text, const Declaration&, bool& value) {
    if (!equal_ignoring_case(text, "yes") && !equal_ignoring_case(text, "no")) return false;
    value = equal_ignoring_case(text, "yes");
    return true;
}

bool parse(std::string_view text, const Declaration& row, YesNoAuto& value) {
    if (equal_ignoring_case(text, "auto")) {
        value = YesNoAuto::automatic;
        return true;
    }
    bool is_yes = false;
    if (!parse(text, row, is_yes)) return false;
    value = is_yes ? YesNoAuto::yes : YesNoAuto::no;
    return true;
}

bool parse(std::string_view text, const Declaration&, std::string& value) {
    value = text;
    return true;
}

bool parse(std::string_view text, const Declaration&, std::vector<std::string>& value) {
    value = config::split_list_with_braces(text);
    return true;
}

std::string format(int value) {
    return std::to_string(value);
}
std::string format(NumberOrAuto value) {
    return value ? std::to_string(*value) : "auto";
}
std::string format(std::size_t value) {
    return config::byte_count_text(value);
}
std::string format(bool value) {
    return value ? "yes" : "no";
}

// Whole seconds as seconds, which people compare easily. All other times as milliseconds.
std::string format(Milliseconds value) {
    if (value.count() == 0) return "0";
    if (value.count() % 1000 == 0) return std::to_string(value.count() / 1000) + 's';
    return std::to_string(value.count()) + "ms";
}

std::string format(YesNoAuto value) {
    switch (value) {
        case YesNoAuto::yes: return "yes";
        case YesNoAuto::no: return "no";
        case YesNoAuto::automatic: break;
    }
    return "auto";
}

std::string format(const std::string& value) {
    return value;
}

std::string format(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
    return text;
}

std::string expectation(const OptionInfo& info) {
    const std::string range(info.range);
    if (info.type == duration) return "a time from " + range + ", such as 30s";
    return info.type == size ? "a size from " + range + ", such as 16M" : range;
}

std::string unknown_name(std::string_view name) {
    std::vector<std::string_view> known;
    for (const Declaration& row : declarations()) known.push_back(row.info.name);
    const std::string nearest = config::nearest_name(name, known);
    const std::string fault = "unknown option \"" + std::string(name) + '"';
    return nearest.empty() ? fault : fault + ", did you mean \"" + nearest + "\"?";
}

}  // namespace

const std::vector<OptionInfo>& option_infos() {
    static const std::vector<OptionInfo> infos = [] {
        std::vector<OptionInfo> all;
        for (const Declaration& row : declarations()) all.push_back(row.info);
        return all;
    }();
    return infos;
}

bool is_option(std::string_view name) {
    const auto& all = option_infos();
    return std::any_of(all.begin(), all.end(), [name](const auto& option) { return option.name == name; });
}

std::string set_option(Options& options, std::string_view name, std::string_view value) {
    const Declaration* row = find(name);
    if (row == nullptr) return unknown_name(name);
    const bool good = std::visit(
        [&](auto member) { return parse(config::trim(value), *row, options.*member); }, row->member);
    if (good) return {};
    return "bad value: " + std::string(name) + " = " + std::string(value) + ", expected " +
           expectation(row->info);
}

std::string option_text(const Options& options, std::string_view name) {
    const Declaration* row = find(name);
    if (row == nullptr) return {};
    return std::visit([&](auto member) { return format(options.*member); }, row->member);
}

std::vector<config::Problem> apply(Options& options, const config::ParameterFile& file) {
    std::vector<config::Problem> problems = file.errors;
    for (const auto& [name, parameter] : file.parameters) {
        std::string fault = set_option(options, name, parameter.value);
        if (!fault.empty()) problems.push_back({parameter.line, std::move(fault)});
    }
    return problems;
}

}  // namespace proxyd
