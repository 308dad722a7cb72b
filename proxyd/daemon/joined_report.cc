#include "proxyd/daemon/joined_report.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "proxyd/channel/commands.h"

namespace proxyd {

using nlohmann::json;

namespace {

bool is_good(const WorkerAnswer& answer) {
    return answer.reply && answer.reply->value("ok", false);
}

void add(json& sums, const json& values, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        if (values.contains(name)) sums[name] = sums.value(name, 0LL) + values.value(name, 0LL);
    }
}

// From well to ill. A worker that has not tried a host knows less than one that has.
int illness(const json& host) {
    constexpr std::array<std::string_view, 6> grades = {"untried",       "up",  "not wanted", "suspect",
                                                        "misconfigured", "down"};
    const auto health = host.value("health", "");
    return static_cast<int>(std::find(grades.begin(), grades.end(), health) - grades.begin());
}

void join_host(json& joined, const json& host) {
    const auto grade = std::pair(illness(host), host.value("failing_seconds", 0LL));
    if (grade > std::pair(illness(joined), joined.value("failing_seconds", 0LL))) joined = host;
}

// Elements of the lists that are alike in their members `names` become one, by `join`.
template <typename Join>
void join_lists(json& joined, const json& list, std::initializer_list<const char*> names, Join join) {
    const auto same = [&names](const json& one, const json& other) {
        return std::all_of(names.begin(), names.end(), [&](const char* name) {
            return one.value(name, json()) == other.value(name, json());
        });
    };
    std::vector<bool> used(joined.size());  // two databases may have one name
    for (const auto& item : list) {
        std::size_t place = 0;
        while (place < used.size() && (used[place] || !same(joined[place], item))) ++place;
        if (place == used.size()) {
            joined.push_back(item);
        } else {
            used[place] = true;
            join(joined[place], item);
        }
    }
}

void join_database(json& joined, const json& database) {
    add(joined, database, {"lookups_waiting", "queries_under_way", "pool_size", "connections", "ready"});
    join_lists(joined["hosts"], database.value("hosts", json::array()), {"name"}, join_host);
}

void join_report(json& joined, const json& report) {
    add(joined, report, {"clients", "relay_connections"});
    join_lists(joined["databases"], report.value("databases", json::array()), {"name"}, join_database);
    join_lists(joined["caches"], report.value("caches", json::array()), {"table"},
               [](json& cache, const json& other) {
                   add(cache, other, {"entries", "hits", "misses", "stale"});
               });
    join_lists(joined["troubles"], report.value("troubles", json::array()), {"table", "problem"},
               [](json& trouble, const json& other) {
                   trouble["available"] =
                       trouble.value("available", false) && other.value("available", false);
               });
    joined["serves_caller"] = joined.value("serves_caller", false) || report.value("serves_caller", false);
}

json worker_entry(const WorkerAnswer& answer) {
    json entry = {{"process", answer.process}, {"restarts", answer.restarts}, {"answers", is_good(answer)}};
    if (!is_good(answer)) return entry;
    for (const char* name : {"clients", "served", "load", "uptime_seconds"}) {
        if (answer.reply->contains(name)) entry[name] = (*answer.reply)[name];
    }
    return entry;
}

// Without any worker's answer.
json bare_report(const ProcessFacts& process) {
    json report = {{"clients", 0},
                   {"databases", json::array()},
                   {"caches", json::array()},
                   {"troubles", json::array()},
                   {"serves_caller", false}};
    add_process(report, process);
    return report;
}

}  // namespace

json joined_status(const ProcessFacts& process, const std::vector<WorkerAnswer>& answers) {
    json joined;
    auto workers = json::array();
    for (const auto& answer : answers) {
        workers.push_back(worker_entry(answer));
        if (!is_good(answer)) continue;
        if (joined.is_null()) {
            joined = *answer.reply;
        } else {
            join_report(joined, *answer.reply);
        }
    }
    const bool alone = answers.size() == 1;
    if (joined.is_null()) {
        joined = bare_report(process);
        if (alone) joined["process"] = answers.front().process;
    } else if (!alone) {
        add_process(joined, process);
        joined.erase("served");
        joined.erase("load");
    }
    joined["workers"] = std::move(workers);
    joined["ok"] = true;
    return joined;
}

json joined_flush(const std::vector<WorkerAnswer>& answers) {
    long long flushed = 0;
    long long silent = 0;
    bool any = false;
    const json* refused = nullptr;
    for (const auto& answer : answers) {
        if (is_good(answer)) {
            any = true;
            flushed += answer.reply->value("flushed", 0LL);
        } else if (answer.reply) {
            refused = &*answer.reply;
        } else if (answer.process != 0) {
            ++silent;  // one that is started again begins with no answers
        }
    }
    if (!any && refused != nullptr) return channel::failure(refused->value("error", ""));
    if (!any && silent > 0) return channel::failure("no serving process answers");
    json reply = {{"ok", true}, {"flushed", flushed}};
    if (silent > 0) reply["unanswered"] = silent;
    return reply;
}

}  // namespace proxyd
