// The reports of several workers as one.
#include "proxyd/daemon/joined_report.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace proxyd {
namespace {

using nlohmann::json;

json host(const std::string& health, int seconds = 0, const std::string& problem = "") {
    json result = {{"name", "db1"}, {"health", health}};
    if (!problem.empty()) {
        result["failing_seconds"] = seconds;
        result["problem"] = problem;
    }
    return result;
}

// What a worker with this many clients reports.
json report(int clients, const json& its_host = host("up")) {
    return {
        {"ok", true},
        {"process", 100 + clients},
        {"clients", clients},
        {"served", 10 * clients},
        {"load", 0.5},
        {"uptime_seconds", 7},
        {"tables_approved", {"pgsql:/a.cf"}},
        {"relay_connections", 1},
        {"databases",
         {{{"name", "pgsql db1"},
           {"lookups_waiting", 2},
           {"queries_under_way", 3},
           {"pool_size", 4},
           {"connections", clients},
           {"ready", 1},
           {"hosts", {its_host}}}}},
        {"caches", {{{"table", "pgsql:/a.cf"}, {"entries", 1}, {"hits", 2}, {"misses", 3}, {"stale", 4}}}},
        {"troubles", json::array()},
        {"serves_caller", clients == 2}};
}

json joined(const std::vector<json>& reports) {
    std::vector<WorkerAnswer> answers;
    for (const auto& one : reports) answers.push_back({one["process"].get<pid_t>(), 0, one});
    return joined_status({"listen"}, answers);
}

TEST(JoinedStatusTest, NumbersAreSummed) {
    const auto all = joined({report(1), report(2), report(3)});
    EXPECT_EQ(all["clients"], 6);
    EXPECT_EQ(all["relay_connections"], 3);
    EXPECT_EQ(all["process"], getpid());
    EXPECT_EQ(all["serves_caller"], true);
    EXPECT_EQ(all["tables_approved"], json({"pgsql:/a.cf"}));
    ASSERT_EQ(all["databases"].size(), 1U);
    const auto& database = all["databases"][0];
    EXPECT_EQ(database["lookups_waiting"], 6);
    EXPECT_EQ(database["queries_under_way"], 9);
    EXPECT_EQ(database["pool_size"], 12);
    EXPECT_EQ(database["connections"], 6);
    EXPECT_EQ(database["ready"], 3);
    EXPECT_EQ(all["caches"],
              json({{{"table", "pgsql:/a.cf"}, {"entries", 3}, {"hits", 6}, {"misses", 9}, {"stale", 12}}}));
    ASSERT_EQ(all["workers"].size(), 3U);
    EXPECT_EQ(all["workers"][1], json({{"process", 102},
                                       {"restarts", 0},
                                       {"answers", true},
                                       {"clients", 2},
                                       {"served", 20},
                                       {"load", 0.5},
                                       {"uptime_seconds", 7}}));
}

TEST(JoinedStatusTest, TheWorstHealthIsShownWithItsProblem) {
    const auto shown = [](const json& one, const json& other) {
        const auto all = joined({report(1, one), report(2, other)});
        EXPECT_EQ(all["databases"][0]["hosts"].size(), 1U);
        return all["databases"][0]["hosts"][0];
    };
    const auto down = host("down", 5, "refused");
    EXPECT_EQ(shown(host("up"), down), down);
    EXPECT_EQ(shown(down, host("up")), down);
    EXPECT_EQ(shown(host("suspect", 90, "silent"), down), down);
    EXPECT_EQ(shown(down, host("down", 9, "gone")), host("down", 9, "gone"));
    EXPECT_EQ(shown(host("untried"), host("up")), host("up"));
}

TEST(JoinedStatusTest, WhatOneAloneHasIsThere) {
    auto other = report(2);
    other["databases"].push_back({{"name", "pgsql db1"}, {"pool_size", 4}, {"hosts", json::array()}});
    other["troubles"] = {{{"table", "pgsql:/b.cf"}, {"available", false}, {"problem", "no query"}}};
    const auto all = joined({report(1), other});
    EXPECT_EQ(all["databases"].size(), 2U) << "two databases may have one name";
    EXPECT_EQ(all["troubles"], other["troubles"]);
}

TEST(JoinedStatusTest, ATroubleOfSeveralIsOne) {
    auto first = report(1);
    auto second = report(2);
    first["troubles"] = {{{"table", "pgsql:/b.cf"}, {"available", true}, {"problem", "no query"}}};
    second["troubles"] = {{{"table", "pgsql:/b.cf"}, {"available", false}, {"problem", "no query"}}};
    EXPECT_EQ(joined({first, second})["troubles"], second["troubles"]);
}

TEST(JoinedStatusTest, OneThatDoesNotAnswerIsNamed) {
    const auto all =
        joined_status({"listen"}, {{101, 0, report(1)}, {102, 3, std::nullopt}, {0, 4, std::nullopt}});
    EXPECT_EQ(all["clients"], 1);
    EXPECT_EQ(all["workers"][1], json({{"process", 102}, {"restarts", 3}, {"answers", false}}));
    EXPECT_EQ(all["workers"][2], json({{"process", 0}, {"restarts", 4}, {"answers", false}}));
    const auto none = joined_status({"listen"}, {{101, 0, std::nullopt}, {102, 0, std::nullopt}});
    EXPECT_EQ(none["ok"], true);
    EXPECT_EQ(none["serves_caller"], false);
    EXPECT_EQ(none["workers"].size(), 2U);
}

TEST(JoinedStatusTest, TheReportOfTheOnlyOneIsPassedOn) {
    auto expected = report(2);
    auto all = joined({report(2)});
    EXPECT_EQ(all["workers"].size(), 1U);
    all.erase("workers");
    EXPECT_EQ(all, expected);
}

TEST(JoinedFlushTest, Counts) {
    const json one = {{"ok", true}, {"flushed", 1}};
    const json two = {{"ok", true}, {"flushed", 2}};
    const json unknown = {{"ok", false}, {"error", "none of the tables"}};
    EXPECT_EQ(joined_flush({{1, 0, one}, {2, 0, two}}), json({{"ok", true}, {"flushed", 3}}));
    EXPECT_EQ(joined_flush({{1, 0, unknown}, {2, 0, unknown}}), unknown);
    EXPECT_EQ(joined_flush({{1, 0, one}, {2, 0, unknown}}), json({{"ok", true}, {"flushed", 1}}));
    EXPECT_EQ(joined_flush({{1, 0, one}, {2, 0, std::nullopt}}),
              json({{"ok", true}, {"flushed", 1}, {"unanswered", 1}}));
    EXPECT_EQ(joined_flush({{1, 0, one}, {0, 0, std::nullopt}}), json({{"ok", true}, {"flushed", 1}}));
    EXPECT_EQ(joined_flush({{1, 0, std::nullopt}})["ok"], false);
}

}  // namespace
}  // namespace proxyd
