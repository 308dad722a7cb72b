// A pool, its fake hosts, and lookups that record their results.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backends/pool/pool.h"
#include "tests/unit/pool/fake_database.h"

namespace proxyd::pool {

using namespace std::chrono_literals;

// The result of one lookup.
struct Asked {
    int answers = 0;
    bool ok = false;
    std::string value;
    Failure failure;
    TimePoint at{};
};

class PoolScene : public testing::Test {
  protected:
    // The ranks of the hosts. The pool is created at its first use.
    std::vector<int> ranks{1};
    PoolSettings settings{
        8, 16, 10000, std::chrono::seconds(3), std::chrono::seconds(60), std::chrono::seconds(11), {}};
    unsigned seed = 1;

    FakeLoop loop;
    std::unique_ptr<FakeDatabase> database;
    std::unique_ptr<Pool> pool;

    void make_database() {
        if (!database) database = std::make_unique<FakeDatabase>(loop, ranks.size());
    }
    FakeHost& host(std::size_t index) {
        make_database();
        return database->hosts[index];
    }
    FakeDatabase& db() {
        make_database();
        return *database;
    }
    Pool& make() {
        make_database();
        if (!pool) {
            std::vector<HostInfo> infos;
            for (std::size_t i = 0; i < ranks.size(); ++i)
                infos.push_back({"host" + std::to_string(i), ranks[i]});
            pool = std::make_unique<Pool>(loop, "test", infos, std::make_unique<FakeDriver>(*database),
                                          settings, seed);
        }
        return *pool;
    }
    // The next use creates a new pool and database, which may have other settings.
    void start_anew() {
        pool.reset();
        loop.advance(0s);
        database.reset();
    }
    std::shared_ptr<TableQueue> queue(const std::string& table) { return make().make_queue(table); }

    std::shared_ptr<Asked> ask(const std::shared_ptr<TableQueue>& table, const std::string& key,
                               Duration patience = 10s,
                               std::shared_ptr<const Statement> statement = nullptr) {
        auto asked = std::make_shared<Asked>();
        if (!statement) statement = plain;
        loop.event([&] {
            make().submit(table, {std::move(statement), sql::make_key(key)}, {loop.now() + patience},
                          [this, asked](const Outcome& outcome) { note(*asked, outcome); });
        });
        return asked;
    }
    void note(Asked& asked, const Outcome& outcome) {
        ++asked.answers;
        asked.at = loop.now();
        asked.ok = outcome.ok();
        if (outcome.ok()) {
            asked.value = *outcome.rows->cell(0, 0);
        } else {
            asked.failure = outcome.failure;
        }
    }

    // Opens `connections` connections, and shows the pool that the table is fast.
    void warm_up(const std::shared_ptr<TableQueue>& table, std::size_t connections) {
        const auto react = db().react;
        db().react = [](auto, const auto&) { return Reaction{}; };
        (void)ask(table, "warm up");
        loop.advance(10ms);
        db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 9ms}; };
        for (int i = 0; make().stats().ready < connections && i < 1000; ++i) {
            for (int j = 0; j < 4; ++j)
                (void)ask(table, "warm " + std::to_string(i) + "." + std::to_string(j));
            loop.advance(3ms);
        }
        loop.advance(1s);
        db().react = [](auto, const auto&) { return Reaction{}; };
        for (int i = 0; i < 40; ++i) {
            (void)ask(table, "fast " + std::to_string(i));
            loop.advance(1ms);
        }
        ASSERT_GE(make().stats().ready, connections);
        db().react = react;
        db().sent.clear();
    }

    void TearDown() override {
        pool.reset();
        loop.advance(0s);
        if (!database) return;
        EXPECT_TRUE(database->connections.empty());
        EXPECT_TRUE(database->violations.empty()) << database->violations.front();
    }

    std::shared_ptr<const Statement> plain = std::make_shared<FakeStatement>();
    std::shared_ptr<const Statement> exclusive = std::make_shared<FakeStatement>(true, true);
    std::shared_ptr<const Statement> writing = std::make_shared<FakeStatement>(false, false);
    std::shared_ptr<const Statement> leaving = std::make_shared<FakeStatement>(true, false, true);
};

#define EXPECT_FOUND(asked, key)    \
    EXPECT_EQ((asked)->answers, 1); \
    EXPECT_EQ((asked)->value, "value of " + std::string(key)) << (asked)->failure.message

#define EXPECT_FAILED(asked, why)   \
    EXPECT_EQ((asked)->answers, 1); \
    EXPECT_FALSE((asked)->ok);      \
    EXPECT_EQ((asked)->failure.kind, why) << (asked)->failure.message

}  // namespace proxyd::pool
