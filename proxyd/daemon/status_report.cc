#include "proxyd/daemon/status_report.h"

#include <unistd.h>

#include "backends/report/redact.h"

namespace proxyd {

using nlohmann::json;
using std::chrono::duration_cast;
using std::chrono::seconds;

namespace {

const char* name(pool::HostHealth health) {
    switch (health) {
        case pool::HostHealth::untried: return "untried";
        case pool::HostHealth::up: return "up";
        case pool::HostHealth::suspect: return "suspect";
        case pool::HostHealth::down: return "down";
        case pool::HostHealth::unwanted: return "not wanted";
        case pool::HostHealth::misconfigured: break;
    }
    return "misconfigured";
}

json hosts_report(const std::vector<pool::Host>& hosts) {
    auto reports = json::array();
    for (const auto& host : hosts) {
        json report = {{"name", host.info().label}, {"health", name(host.health())}};
        if (host.is_failing()) {
            report["failing_seconds"] = duration_cast<seconds>(Clock::now() - host.failing_since()).count();
            report["problem"] = redact(host.last_failure()->message);
        }
        reports.push_back(std::move(report));
    }
    return reports;
}

json databases_report(const std::vector<table::DatabaseReport>& databases) {
    auto reports = json::array();
    for (const auto& database : databases) {
        json report = {{"name", redact(database.name)},
                       {"lookups_waiting", database.stats.waiting},
                       {"queries_under_way", database.stats.in_flight},
                       {"hosts", hosts_report(database.hosts)}};
        if (database.pool_size > 0) {
            report["pool_size"] = database.pool_size;
            report["connections"] = database.stats.connections;
            report["ready"] = database.stats.ready;
        }
        reports.push_back(std::move(report));
    }
    return reports;
}

json troubles_report(const std::vector<table::TableTrouble>& troubles) {
    auto reports = json::array();
    for (const auto& trouble : troubles) {
        reports.push_back({{"table", trouble.name},
                           {"available", trouble.available},
                           {"problem", redact(trouble.problem)}});
    }
    return reports;
}

}  // namespace

void add_process(json& report, const ProcessFacts& process) {
    report["version"] = PROXYD_VERSION;
    report["process"] = getpid();
    report["mode"] = process.mode;
    report["generation"] = process.generation;
    report["started"] = duration_cast<seconds>(process.started.time_since_epoch()).count();
    report["uptime_seconds"] = duration_cast<seconds>(Clock::now() - process.started_at).count();
}

json status_report(const ProcessFacts& process, const Site& site, Worker& worker, double load, pid_t caller) {
    auto& tables = worker.tables();
    const auto& server = worker.server();
    auto caches = json::array();
    for (const auto& cache : tables.caches()) {
        caches.push_back({{"table", cache.name},
                          {"entries", cache.stats.entries},
                          {"hits", cache.stats.hits},
                          {"misses", cache.stats.misses},
                          {"stale", cache.stats.stale}});
    }
    json report = {{"configuration", site.config_directory},
                   {"tables_approved", site.approved.tables()},
                   {"clients", server.clients()},
                   {"served", server.served()},
                   {"load", load},
                   {"relay_connections", worker.relay().connections()},
                   {"databases", databases_report(tables.databases())},
                   {"caches", std::move(caches)},
                   {"troubles", troubles_report(tables.troubles())},
                   {"serves_caller", caller != 0 && server.serves(caller)}};
    add_process(report, process);
    return report;
}

}  // namespace proxyd
