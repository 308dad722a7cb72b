// Batched answers: a server answers quick queries together, and one of them is slow.
#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

class PoolTogether : public PoolScene {
  protected:
    void SetUp() override {
        settings.size = 8;
        db().answers_together = true;
    }

    // A query takes the number of milliseconds that its key begins with.
    void react_by_key() {
        db().react = [](auto, const auto& key) {
            return Reaction{Reaction::Kind::rows, std::chrono::milliseconds(std::stoi(key)) + 100us};
        };
    }

    std::vector<std::shared_ptr<Asked>> ask_at_once(const std::shared_ptr<TableQueue>& table,
                                                    const std::vector<std::string>& keys,
                                                    Duration patience = 10s) {
        std::vector<std::shared_ptr<Asked>> all;
        for (const auto& key : keys) all.push_back(ask(table, key, patience));
        return all;
    }

    // Asks three queries at once; returns how many of them may be batched.
    std::size_t may_batch(const std::shared_ptr<TableQueue>& table) {
        db().may_batch = 0;
        (void)ask_at_once(table, {"0:a", "0:b", "0:c"});
        loop.advance(10ms);
        return db().may_batch;
    }

    const std::vector<std::string> one_slow_among_quick{"0:a", "0:b", "3000:c", "0:d", "0:e", "0:f"};
};

TEST_F(PoolTogether, TheAnswersOfBriefQueriesComeTogether) {
    const auto table = queue("t");
    react_by_key();
    EXPECT_EQ(may_batch(table), 0U);
    warm_up(table, 1);
    EXPECT_EQ(may_batch(table), 3U);
    for (int i = 0; i < 10; ++i) {
        (void)ask(table, "1:" + std::to_string(i));
        loop.advance(10ms);
    }
    EXPECT_EQ(may_batch(table), 0U);
}

// In a small pool there may be no connection for the queries that a slow one has held up.
TEST_F(PoolTogether, AnswersComeTogetherOnlyInALargePool) {
    settings.size = 7;
    const auto table = queue("t");
    warm_up(table, 1);
    react_by_key();
    EXPECT_EQ(may_batch(table), 0U);
}

TEST_F(PoolTogether, WhatASlowQueryHoldsUpIsAskedAgainAndForAMinuteNothingIsHeldUp) {
    const auto table = queue("t");
    warm_up(table, 1);
    react_by_key();
    const auto began = loop.now();
    const auto all = ask_at_once(table, one_slow_among_quick);
    loop.advance(40ms);
    EXPECT_EQ(all[0]->answers, 0) << "its answer does not wait: this shows nothing";
    loop.advance(4s);
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_FOUND(all[i], one_slow_among_quick[i]);
        EXPECT_LE(all[i]->at - began, i == 2 ? 3010ms : 100ms) << i;
    }
    for (int i = 0; i < 80; ++i) {
        (void)ask(table, "0:" + std::to_string(i));
        loop.advance(1ms);
    }
    EXPECT_EQ(may_batch(table), 0U);
    loop.advance(1min);
    EXPECT_EQ(may_batch(table), 3U);
}

// A slow query that starts again could miss its deadline.
TEST_F(PoolTogether, ASlowQueryIsNotBegunAnew) {
    const auto table = queue("t");
    warm_up(table, 1);
    react_by_key();
    const auto all = ask_at_once(table, one_slow_among_quick, 3030ms);
    loop.advance(4s);
    for (const auto& one : all) EXPECT_TRUE(one->ok) << one->failure.message;
}

// The answer to the repeated query may come from its first try, which began before the new lookups arrived.
TEST_F(PoolTogether, NobodyJoinsWhatWasAskedAgain) {
    const auto table = queue("t");
    warm_up(table, 1);
    react_by_key();
    const std::vector<std::string> keys{"500:a", "500:b", "500:c", "500:d", "500:e", "500:f", "500:g"};
    const auto all = ask_at_once(table, keys);
    loop.advance(400ms);
    const auto again = ask_at_once(table, keys);
    loop.advance(20s);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        EXPECT_FOUND(all[i], keys[i]);
        EXPECT_FOUND(again[i], keys[i]);
    }
    // Each key is sent twice for its first lookup and once for its second.
    const auto sent = db().sent_keys();
    for (const auto& key : keys) EXPECT_EQ(std::count(sent.begin(), sent.end(), key), 3) << key;
}

// Each slow query holds two connections: one for its first try and one for its second.
TEST_F(PoolTogether, ThreeSlowQueriesLeaveConnectionsToTheirTable) {
    const auto table = queue("t");
    warm_up(table, 2);
    react_by_key();
    std::vector<std::string> keys;
    for (int i = 0; i < 16; ++i) keys.push_back((i % 5 == 3 ? "6000:" : "0:") + std::to_string(i));
    const auto began = loop.now();
    const auto all = ask_at_once(table, keys);
    loop.advance(500ms);
    for (int i = 0; i < 8; ++i) {
        const auto later = ask(table, "0:later" + std::to_string(i));
        loop.advance(500ms);
        EXPECT_EQ(later->answers, 1) << i;
    }
    loop.advance(5s);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        EXPECT_FOUND(all[i], keys[i]);
        EXPECT_LE(all[i]->at - began, i % 5 == 3 ? 6100ms : 200ms) << keys[i];
    }
}

TEST_F(PoolTogether, AnErrorOfOneTryIsNoAnswerWhileTheOtherIsUnderWay) {
    const auto table = queue("t");
    warm_up(table, 2);
    int tries = 0;
    db().react = [&tries](auto, const auto& key) {
        if (key != "odd") return Reaction{};
        return ++tries == 1 ? Reaction{Reaction::Kind::rows, 300ms} : Reaction{Reaction::Kind::query_error};
    };
    const auto all = ask_at_once(table, {"a", "b", "odd", "c"});
    loop.advance(5s);
    EXPECT_EQ(tries, 2);
    EXPECT_FOUND(all[2], "odd");
}

// The other host is silent.
TEST_F(PoolTogether, WhatFailsTwiceOnOneHostHoldsUpNobody) {
    ranks = {1, 2};
    database.reset();
    db().answers_together = true;
    settings.connect_timeout = 5s;
    settings.idle_interval = 600s;
    const auto table = queue("t");
    warm_up(table, 2);
    host(1).mode = HostMode::silent;
    loop.advance(2s);
    db().react = [](auto, const auto& key) {
        return key == "bad" ? Reaction{Reaction::Kind::query_error, 150ms} : Reaction{};
    };
    const auto all = ask_at_once(table, {"a", "b", "bad", "c"});
    for (int i = 0; i < 60; ++i) {
        loop.advance(50ms);
        const auto later = ask(table, "later" + std::to_string(i));
        loop.advance(50ms);
        EXPECT_TRUE(i < 3 || later->answers == 1) << i;
    }
    loop.advance(15s);
    EXPECT_FOUND(all[3], "c");
    EXPECT_FAILED(all[2], FailureClass::query);
}

TEST_F(PoolTogether, WhatIsLostIsAskedAgain) {
    const auto table = queue("t");
    warm_up(table, 1);
    react_by_key();
    const auto all = ask_at_once(table, one_slow_among_quick);
    loop.advance(80ms);
    db().break_connections(0);
    loop.advance(4s);
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_FOUND(all[i], one_slow_among_quick[i]);
    }
}

}  // namespace
}  // namespace proxyd::pool
