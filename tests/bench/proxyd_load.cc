// proxyd_load: measures how many lookups a second a proxymap service answers, and their latency.
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/bench/load.h"

namespace {

using proxyd::bench::LoadOptions;
using proxyd::bench::LoadReport;
using proxyd::protocol::Layout;

// Each line has a key, or a key, a tab and the expected value.
std::vector<std::pair<std::string, std::string>> read_keys(const std::string& path) {
    std::vector<std::pair<std::string, std::string>> keys;
    std::ifstream file{path};
    std::string line;
    while (std::getline(file, line)) {
        const std::size_t tab = line.find('\t');
        if (tab != 0 && !line.empty()) {
            keys.emplace_back(line.substr(0, tab), tab == std::string::npos ? "" : line.substr(tab + 1));
        }
    }
    return keys;
}

double microseconds(std::chrono::duration<double, std::nano> duration) {
    return std::chrono::duration<double, std::micro>(duration).count();
}

constexpr const char* as_text =
    "{} clients, {:.3f} s, {} lookups, {:.1f}/s\n"
    "latency p50 {:.1f} us, p99 {:.1f} us, max {:.1f} us\n"
    "OK {}, NOKEY {}, RETRY {}, other {}, wrong {}, malformed {}, closed {}, reconnects {}, renewed {}\n"
    "{} clients greeted, the last after {:.1f} ms\n";
constexpr const char* as_json =
    R"({{"clients": {}, "seconds": {:.3f}, "lookups": {}, "per_second": {:.1f}, )"
    R"("p50_us": {:.1f}, "p99_us": {:.1f}, "max_us": {:.1f}, "ok": {}, "nokey": {}, )"
    R"("retry": {}, "other": {}, "wrong": {}, "malformed": {}, "closed": {}, "reconnects": {}, "renewed": {}, )"
    R"("greeted": {}, "all_greeted_ms": {:.1f}}})"
    "\n";

void print(const LoadOptions& options, const LoadReport& report, bool json) {
    const double rate = report.seconds > 0 ? static_cast<double>(report.lookups()) / report.seconds : 0;
    const auto& latencies = report.latencies;
    fmt::print(fmt::runtime(json ? as_json : as_text), options.clients, report.seconds, report.lookups(),
               rate, microseconds(latencies.percentile(0.5)), microseconds(latencies.percentile(0.99)),
               microseconds(latencies.max()), report.ok, report.nokey, report.retry, report.other,
               report.wrong, report.malformed, report.closed, report.reconnects, report.renewed,
               report.greeted, microseconds(report.all_greeted) / 1000);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
    LoadOptions options;
    std::string keys;
    double seconds = options.seconds.count();
    double warmup = options.warmup.count();
    bool json = false;
    const std::map<std::string, Layout> layouts{{"flags", Layout::flags},
                                                {"instance_flags", Layout::instance_flags}};
    CLI::App app{"Asks a proxymap service as many Postfix daemons would, and measures it."};
    app.add_option("--socket", options.socket, "The service's socket")->required();
    app.add_option("--table", options.table, "The table, type:name")->required();
    app.add_option("--keys", keys, "File with one key per line, or key TAB expected value")
        ->required()
        ->check(CLI::ExistingFile);
    app.add_option("--clients", options.clients, "Connections, each with one lookup at a time")
        ->check(CLI::PositiveNumber);
    app.add_option("--seconds", seconds, "How long to measure")->check(CLI::PositiveNumber);
    app.add_option("--warmup", warmup, "Seconds of the same load before")->check(CLI::NonNegativeNumber);
    app.add_option("--lookups", options.lookups, "Stop after so many lookups");
    app.add_option("--seed", options.seed, "For the order of the keys");
    app.add_option("--layout", options.layout, "flags (Postfix up to 3.10) or instance_flags (since 3.11)")
        ->transform(CLI::Transformer(layouts));
    app.add_option("--greeting", options.greeting,
                   "Whether the server greets (Postfix since 3.6): yes or no");
    app.add_option("--smtputf8", options.smtputf8, "The clients' smtputf8_enable: yes or no");
    app.add_flag("--open-close", options.open_close, "Make a connection for each lookup");
    app.add_flag("--expect-miss", options.expect_miss, "The table has none of the keys");
    app.add_flag("--hold", options.hold,
                 "One lookup for each client, which stays connected until stdin ends");
    app.add_flag("--json", json, "Print one line of JSON");
    CLI11_PARSE(app, argc, argv);
    options.seconds = std::chrono::duration<double>{seconds};
    options.warmup = std::chrono::duration<double>{warmup};
    options.keys = read_keys(keys);
    if (options.keys.empty()) {
        fmt::print(stderr, "proxyd_load: no keys in {}\n", keys);
        return 2;
    }
    const LoadReport report = proxyd::bench::run_load(options, [&](const LoadReport& so_far) {
        print(options, so_far, json);
        while (options.hold && std::getchar() != EOF) {
        }
    });
    return report.wrong == 0 && report.malformed == 0 && report.lookups() > 0 ? 0 : 1;
} catch (const std::exception& problem) {
    std::fprintf(stderr, "proxyd_load: %s\n", problem.what());
    return 2;
}
