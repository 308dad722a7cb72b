// Hedging: lookups that take long are sent a second time.
#include <set>

#include "tests/unit/pool/clients.h"
#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

class PoolHedge : public PoolScene {
  protected:
    // A query takes the number of milliseconds that its key begins with.
    void react_by_key() {
        db().react = [](auto, const auto& key) {
            return Reaction{Reaction::Kind::rows, std::chrono::milliseconds(std::stoi(key)) + 100us};
        };
    }
    [[nodiscard]] std::ptrdiff_t times_asked(const std::string& key) {
        const auto sent = db().sent_keys();
        return std::count(sent.begin(), sent.end(), key);
    }
};

TEST_F(PoolHedge, TheFirstAnswerCounts) {
    const auto table = queue("t");
    warm_up(table, 2);
    int tries = 0;
    db().react = [&tries](auto, const auto&) {
        return Reaction{++tries == 1 ? Reaction::Kind::never : Reaction::Kind::rows, 20ms};
    };
    const auto asked = ask(table, "a");
    loop.advance(240ms);
    EXPECT_EQ(tries, 1);
    loop.advance(100ms);
    EXPECT_FOUND(asked, "a");
    EXPECT_EQ(tries, 2);
}

TEST_F(PoolHedge, ASlowQueryOfAQuickTableIsAskedTwiceAtMostAndNotBegunAnew) {
    for (const std::size_t size : {2U, 3U, 8U}) {
        settings.size = size;
        const auto table = queue("t");
        warm_up(table, 1);
        react_by_key();
        const auto begun = loop.now();
        const auto asked = ask(table, "3000:a");
        loop.advance(4s);
        EXPECT_FOUND(asked, "3000:a");
        EXPECT_LE(asked->at - begun, 3010ms);
        EXPECT_LE(times_asked("3000:a"), 2);
        EXPECT_TRUE(make().hosts()[0].is_up());
        start_anew();
    }
}

TEST_F(PoolHedge, ASlowTableIsNotAskedTwice) {
    react_by_key();
    const auto table = queue("t");
    for (int i = 0; i < 30; ++i) {
        (void)ask(table, std::to_string(i % 3 == 0 ? 1800 : 700) + ":" + std::to_string(i));
        loop.advance(1s);
    }
    loop.advance(3s);
    // Only the first lookups are sent twice, while the pool does not know yet that the table is slow.
    EXPECT_LE(db().sent.size(), 30U + 4U);
}

TEST_F(PoolHedge, WhatWritesIsNotAskedTwice) {
    const auto table = queue("t");
    warm_up(table, 2);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    const auto asked = ask(table, "w", 5s, writing);
    loop.advance(6s);
    EXPECT_EQ(times_asked("w"), 1);
    EXPECT_FAILED(asked, FailureClass::lost);
}

TEST_F(PoolHedge, AnExclusiveOneIsAloneThereToo) {
    const auto table = queue("t");
    warm_up(table, 3);
    int tries = 0;
    db().react = [&tries](auto, const auto& key) {
        return Reaction{key == "x" && ++tries == 1 ? Reaction::Kind::never : Reaction::Kind::rows, 1ms};
    };
    const auto asked = ask(table, "x", 10s, exclusive);
    for (int i = 0; i < 400; ++i) {
        (void)ask(table, std::to_string(i));
        loop.advance(1ms);
    }
    EXPECT_FOUND(asked, "x");
}

// A database that becomes slow for all lookups must not get twice the work.
TEST_F(PoolHedge, OnlyTheFirstAreAskedAgainWhereATableBecomesSlow) {
    for (const std::size_t size : {2U, 4U, 8U, 12U}) {
        settings.size = size;
        db().pipelines = false;
        const auto table = queue("t");
        warm_up(table, size);
        react_by_key();
        std::vector<std::shared_ptr<Asked>> all;
        for (int i = 0; i < 60; ++i) all.push_back(ask(table, "2000:" + std::to_string(i), 200s));
        loop.advance(150s);
        for (const auto& one : all) EXPECT_TRUE(one->ok);
        EXPECT_LE(db().sent.size(), all.size() + size) << size;
        start_anew();
    }
}

// In a small pool the second try holds the last connection.
TEST_F(PoolHedge, ASlowQueryHoldsUpNoOtherTable) {
    for (const std::size_t size : {2U, 3U, 4U, 8U}) {
        settings.size = size;
        const auto table = queue("t");
        const auto other = queue("other");
        warm_up(table, 2);
        (void)ask(other, "warm");
        loop.advance(100ms);
        react_by_key();
        (void)ask(table, "3000:slow");
        for (int i = 0; i < 20; ++i) {
            const auto begun = loop.now();
            const auto quick = ask(other, "0:" + std::to_string(i));
            loop.advance(200ms);
            ASSERT_EQ(quick->answers, 1) << size << " " << i;
            EXPECT_LE(quick->at - begun, 150ms) << size << " " << i;
        }
        EXPECT_LE(database->most_connections, size);
        start_anew();
    }
}

// The first and second tries of the locked table together use up the share of slow tables.
TEST_F(PoolHedge, ATableThatWaitsForALockHoldsUpNoSlowOne) {
    for (const std::size_t size : {4U, 6U, 8U, 16U}) {
        settings.size = size;
        db().pipelines = false;
        const auto locked = queue("locked");
        const auto slow = queue("slow");
        react_by_key();
        for (int i = 0; i < 20; ++i) {
            (void)ask(locked, "1:w" + std::to_string(i));
            (void)ask(slow, "30:w" + std::to_string(i));
            loop.advance(100ms);
        }
        for (int i = 0; i < 20; ++i) {
            (void)ask(locked, "9000:" + std::to_string(i));
            const auto begun = loop.now();
            const auto other = ask(slow, "30:" + std::to_string(i));
            loop.advance(200ms);
            ASSERT_EQ(other->answers, 1) << size << " " << i;
            EXPECT_LE(other->at - begun, 150ms) << size << " " << i;
        }
        EXPECT_LE(database->most_connections, size);
        start_anew();
    }
}

TEST_F(PoolHedge, ConnectionsThatAreSilentDoNotUseUpTheShareOfASlowTable) {
    settings.size = 8;
    db().pipelines = false;
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 50ms}; };
    const auto table = queue("t");
    Clients clients(loop, *pool, table, plain, 20, 1ms);
    loop.advance(3s);
    const auto usual = clients.answered;
    ASSERT_GE(make().stats().ready, 4U);
    for (std::size_t i = 0; i < 3; ++i) db().connections[i]->hang();
    loop.advance(2s);
    clients.reset();
    loop.advance(3s);
    EXPECT_EQ(clients.failed, 0);
    EXPECT_GE(clients.answered, usual * 9 / 10);
}

TEST_F(PoolHedge, WhatWaitsToBeAskedAgainIsAnsweredAtItsDeadline) {
    settings.size = 2;
    const auto table = queue("t");
    warm_up(table, 2);
    db().freeze(0);
    const auto begun = loop.now();
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 10; ++i) all.push_back(ask(table, std::to_string(i), 5s));
    loop.advance(6s);
    for (const auto& one : all) {
        EXPECT_EQ(one->answers, 1);
        EXPECT_FALSE(one->ok);
        EXPECT_LE(one->at - begun, 5025ms);
    }
    EXPECT_EQ(make().stats().waiting, 0U);
}

TEST_F(PoolHedge, TheEndOfThePoolAnswersWhatWaitsToBeAskedAgain) {
    settings.size = 1;
    const auto table = queue("t");
    warm_up(table, 1);
    db().freeze(0);
    const auto asked = ask(table, "a");
    loop.advance(2s);
    EXPECT_EQ(asked->answers, 0);
    loop.event([&] { pool.reset(); });
    EXPECT_FAILED(asked, FailureClass::lost);
}

}  // namespace
}  // namespace proxyd::pool
