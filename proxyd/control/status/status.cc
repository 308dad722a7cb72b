#include "proxyd/control/status/status.h"

#include <ostream>
#include <stdexcept>

#include <fmt/format.h>
#include <unistd.h>

#include "backends/config/parameter_file.h"
#include "proxyd/control/check/options_check.h"
#include "proxyd/control/check/service_check.h"
#include "proxyd/control/client/server_identity.h"
#include "proxyd/control/postfix/instance.h"
#include "proxyd/logging/plural.h"

namespace proxyd::control {
namespace {

using nlohmann::json;

const char* name(ServerKind kind) {
    switch (kind) {
        case ServerKind::proxyd: return "proxyd";
        case ServerKind::another: return "another";
        case ServerKind::unknown: return "unknown";
        case ServerKind::none: break;
    }
    return "nobody";
}

void add_answerer(json& status, const std::string& socket) {
    ProxymapConnection connection(socket, "", {});
    auto found = identify_server(connection, socket);
    status["socket"] = socket;
    status["answers"] = name(found.kind);
    if (!found.problem.empty()) status["problem"] = found.problem;
    if (found.kind == ServerKind::proxyd) {
        found.status.erase("serves_caller");
        status["daemon"] = std::move(found.status);
    }
}

void add_postfix(json& status, const ConfigLocation& place, const Options& options) {
    const auto path = place.directory + "/master.cf";
    std::string error;
    const auto master_cf = config::read_file(path, error);
    if (!master_cf) throw std::runtime_error(error);
    const auto services = read_services(*master_cf);
    const auto* service = find_proxymap(services);
    status["master_cf"] = path;
    status["line"] = service != nullptr ? service->line : 0;
    status["private"] = service == nullptr || service->is_private != "n";
    status["enabled"] = service != nullptr && service->command == "proxyd";
    const auto* relay = find_service(services, options.relay_service);
    status["relay"] = {{"service", options.relay_service}, {"present", relay != nullptr}};
    if (relay == nullptr) return;
    status["relay"]["runs"] = relay->command;
    status["relay"]["private"] = relay->is_private != "n";
    status["relay"]["answers"] = relay->command == "proxymap" && stock_name_of(*relay) == "proxymap";
}

std::string time_text(long long seconds) {
    const auto days = seconds / 86400;
    const auto clock = fmt::format("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    return days > 0 ? fmt::format("{} d {}", days, clock) : clock;
}

// The reason why the stock server does not answer correctly, as far as master.cf shows it.
std::string fault_of_relay(const json& relay) {
    if (!relay["present"].get<bool>()) return {};
    const auto program = relay["runs"].get<std::string>();
    const auto fault = program != "proxymap"           ? fmt::format("it runs {}", program)
                       : !relay["private"].get<bool>() ? std::string("it is not private (third column)")
                       : !relay["answers"].get<bool>() ? std::string("its arguments are wrong")
                                                       : std::string();
    return fault.empty() ? "" : fmt::format(", but {}: see `proxyctl check`", fault);
}

void print_postfix(const json& status, std::ostream& out) {
    const bool enabled = status["enabled"].get<bool>();
    out << fmt::format("{}: proxyd is {}enabled{}\n", status["master_cf"].get<std::string>(),
                       enabled ? "" : "not ",
                       status["private"].get<bool>()
                           ? std::string()
                           : fmt::format("{} proxymap is not private (third column): see `proxyctl check`",
                                         enabled ? ", but" : ", and"));
    for (const auto& mistake : status["mistakes"]) out << mistake.get<std::string>() << '\n';
    if (status.contains("postfix_running")) {
        out << (status["postfix_running"].get<bool>() ? "Postfix is running\n" : "Postfix is not running\n");
    }
    const auto service = status["relay"]["service"].get<std::string>();
    if (!enabled) return;  // then the stock server is not asked
    if (service.empty()) {
        out << "tables of other types are not served (relay_service is empty)\n";
    } else if (service.starts_with('/')) {
        out << fmt::format("tables of other types are asked for at {}\n", service);
    } else {
        out << fmt::format("tables of other types: the entry {} of the stock server is {} master.cf{}\n",
                           service, status["relay"]["present"].get<bool>() ? "in" : "missing in",
                           fault_of_relay(status["relay"]));
    }
}

long long number(const json& from, const char* key) {
    return from.value(key, 0LL);
}

void print_host(const json& host, std::ostream& out) {
    const auto health = host.value("health", "?");
    out << fmt::format("    {}: ", host.value("name", "?"));
    if (health == "up") {
        out << "up\n";
    } else if (health == "untried") {
        out << "not connected\n";
    } else {
        const auto* state = health == "down"         ? "not reachable"
                            : health == "suspect"    ? "silent"
                            : health == "not wanted" ? "not wanted"
                                                     : "refuses";
        out << fmt::format("{} for {}: {}\n", state, time_text(number(host, "failing_seconds")),
                           host.value("problem", ""));
    }
}

void print_database(const json& database, std::ostream& out) {
    out << database.value("name", "?") << ": ";
    if (database.contains("pool_size")) {
        out << fmt::format("{} of {}, ", number(database, "connections"),
                           plural(number(database, "pool_size"), "connection"));
    }
    out << fmt::format("{} under way, {} waiting\n", plural(number(database, "queries_under_way"), "lookup"),
                       number(database, "lookups_waiting"));
    for (const auto& host : database.value("hosts", json::array())) print_host(host, out);
}

void print_worker(const json& worker, std::size_t number_of_it, std::ostream& out) {
    const auto process = number(worker, "process");
    const auto restarts = number(worker, "restarts");
    out << fmt::format("worker {}: ", number_of_it);
    if (process == 0) {
        out << "died, is started again";
    } else if (!worker.value("answers", false)) {
        out << fmt::format("process {} does not answer", process);
    } else {
        out << fmt::format("process {}, up {}, {}, {} answered, {:.0f} % of a processor", process,
                           time_text(number(worker, "uptime_seconds")),
                           plural(number(worker, "clients"), "client"),
                           plural(number(worker, "served"), "request"), worker.value("load", 0.0) * 100);
    }
    out << (restarts > 0 ? fmt::format(", started again {}\n", plural(restarts, "time")) : "\n");
}

void print_daemon(const json& daemon, std::ostream& out) {
    out << fmt::format("proxyd {}, process {}, up {}", daemon.value("version", "?"),
                       number(daemon, "process"), time_text(number(daemon, "uptime_seconds")));
    if (daemon.value("mode", "") == "master") out << ", generation " << number(daemon, "generation");
    const auto approved = daemon.value("tables_approved", json::array()).size();
    out << fmt::format("\n{} approved, {} connected\n", plural(approved, "table"),
                       plural(number(daemon, "clients"), "client"));
    const auto workers = daemon.value("workers", json::array());
    for (std::size_t i = 0; workers.size() > 1 && i < workers.size(); ++i)
        print_worker(workers[i], i + 1, out);
    for (const auto& database : daemon.value("databases", json::array())) print_database(database, out);
    for (const auto& trouble : daemon.value("troubles", json::array())) {
        out << fmt::format(
            "{}: {}: {}\n", trouble.value("table", "?"),
            trouble.value("available", false) ? "an older version of its file is in force" : "unavailable",
            trouble.value("problem", ""));
    }
    for (const auto& cache : daemon.value("caches", json::array())) {
        out << fmt::format("{}: {} kept, {}, {}, {}\n", cache.value("table", "?"),
                           plural(number(cache, "entries"), "answer"), plural(number(cache, "hits"), "hit"),
                           plural(number(cache, "misses"), "miss"),
                           plural(number(cache, "stale"), "stale answer"));
    }
}

}  // namespace

json find_status(const std::optional<std::string>& socket, const ConfigLocation& place) {
    json status = json::object();
    if (socket) {
        add_answerer(status, *socket);
        return status;
    }
    if (!place.has_main_cf || place.options_given) {
        throw std::runtime_error(
            fmt::format("there is no Postfix configured in {}: give --socket PATH for a stand-alone proxyd",
                        place.directory));
    }
    const PostfixInstance postfix(place.directory, postfix::MainCf::load(place.directory, {}));
    std::vector<Finding> findings;
    add_postfix(status, place, options_in_force(place, &findings));
    status["mistakes"] = json::array();
    for (const auto& finding : findings) {
        if (finding.gravity == Gravity::error) status["mistakes"].push_back(format(finding));
    }
    status["throttle_time"] = postfix.throttle_time();
    // Only root may ask Postfix. Other users get an error at the socket.
    if (geteuid() == 0) status["postfix_running"] = postfix.is_running();
    if (status.value("postfix_running", true)) {
        add_answerer(status, postfix.proxymap_socket());
    } else {
        status["socket"] = postfix.proxymap_socket();
        status["answers"] = name(ServerKind::none);
    }
    return status;
}

int print_status(const json& status, std::ostream& out) {
    if (status.contains("master_cf")) print_postfix(status, out);
    const auto socket = status["socket"].get<std::string>();
    const auto answers = status["answers"].get<std::string>();
    const auto problem = status.value("problem", "");
    if (answers == "proxyd") {
        out << fmt::format("{}: proxyd answers\n", socket);
        print_daemon(status["daemon"], out);
        return 0;
    }
    if (answers == "unknown") {
        out << fmt::format("{}: who answers is unknown ({})\n", socket, problem);
        return 1;
    }
    out << fmt::format("{}: {}{}\n", socket,
                       answers == "another" ? "another server than proxyd answers, such as proxymap(8)"
                                            : "no server answers",
                       problem.empty() || answers == "another" ? "" : " (" + problem + ")");
    if (answers == "nobody" && status.value("postfix_running", false)) {
        out << fmt::format(
            "the mail log says why; master(8) waits {} before it starts a service again that failed, which "
            "`postfix stop; postfix start` ends\n",
            status["throttle_time"].get<std::string>());
    }
    return 1;
}

}  // namespace proxyd::control
