// One host: the bound, the line, sharing, deadlines, lost connections, and the end of the pool.
#include "backends/pool/pool.h"

#include <map>

#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

class PoolTest : public PoolScene {};

TEST_F(PoolTest, AnswersALookup) {
    const auto asked = ask(lane("t"), "a");
    EXPECT_EQ(asked->answers, 0);
    loop.advance(10ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTest, OpensNothingBeforeItIsAsked) {
    (void)lane("t");
    loop.advance(10s);
    EXPECT_EQ(host(0).attempts, 0U);
}

TEST_F(PoolTest, NeverHasMoreConnectionsThanItsSizeEvenWhileClosingThem) {
    settings.size = 3;
    settings.pipeline_depth = 1;
    const auto table = lane("t");
    db().react = [](auto, const auto& key) {
        return Reaction{key.ends_with("7") ? Reaction::Kind::breaks : Reaction::Kind::rows, 5ms};
    };
    for (int i = 0; i < 300; ++i) {
        (void)ask(table, std::to_string(i));
        loop.advance(1ms);
    }
    loop.advance(20s);
    EXPECT_EQ(database->most_connections, 3U);
}

TEST_F(PoolTest, AnswersInTheOrderOfAsking) {
    settings.size = 1;
    settings.pipeline_depth = 1;
    const auto table = lane("t");
    warm_up(table, 1);
    std::vector<std::shared_ptr<Asked>> all;
    std::vector<std::string> keys;
    for (int i = 0; i < 50; ++i) {
        keys.push_back("k" + std::to_string(i));
        all.push_back(ask(table, keys.back()));
    }
    loop.advance(1s);
    EXPECT_EQ(database->sent_keys(), keys);
    for (const auto& one : all) EXPECT_TRUE(one->ok);
}

TEST_F(PoolTest, TakesTurnsBetweenTables) {
    settings.size = 1;
    settings.pipeline_depth = 1;
    const auto busy = lane("busy");
    const auto quiet = lane("quiet");
    warm_up(busy, 1);
    (void)ask(quiet, "warm");
    loop.advance(100ms);
    db().sent.clear();
    for (int i = 0; i < 100; ++i) (void)ask(busy, "b" + std::to_string(i));
    (void)ask(quiet, "q");
    loop.advance(1s);
    const auto keys = database->sent_keys();
    EXPECT_LE(std::find(keys.begin(), keys.end(), "q") - keys.begin(), 3);
}

TEST_F(PoolTest, LookupsThatStillWaitAreShared) {
    const auto table = lane("t");
    const auto first = ask(table, "same");
    const auto second = ask(table, "same");
    const auto other = ask(table, "other");
    loop.advance(50ms);
    EXPECT_FOUND(first, "same");
    EXPECT_FOUND(second, "same");
    EXPECT_FOUND(other, "other");
    EXPECT_EQ(database->sent.size(), 2U);
}

TEST_F(PoolTest, LookupsThatWereSentAreNotJoined) {
    const auto table = lane("t");
    warm_up(table, 1);
    const auto first = ask(table, "same");
    const auto second = ask(table, "same");
    loop.advance(50ms);
    EXPECT_FOUND(first, "same");
    EXPECT_FOUND(second, "same");
    EXPECT_EQ(database->sent.size(), 2U);
}

TEST_F(PoolTest, TablesDoNotShareTheirLookups) {
    const auto first = ask(lane("t1"), "same");
    const auto second = ask(lane("t2"), "same");
    loop.advance(50ms);
    EXPECT_FOUND(first, "same");
    EXPECT_FOUND(second, "same");
    EXPECT_EQ(database->sent.size(), 2U);
}

TEST_F(PoolTest, QueriesThatWriteAreNotShared) {
    const auto table = lane("t");
    (void)ask(table, "same", 10s, writing);
    (void)ask(table, "same", 10s, writing);
    loop.advance(50ms);
    EXPECT_EQ(database->sent.size(), 2U);
}

TEST_F(PoolTest, EachWaiterHasItsOwnDeadline) {
    host(0).mode = HostMode::refuses;
    const auto table = lane("t");
    const auto hasty = ask(table, "same", 100ms);
    const auto patient = ask(table, "same", 5s);
    loop.advance(1s);
    EXPECT_FAILED(hasty, FailureClass::unreachable);
    EXPECT_EQ(patient->answers, 0);
    host(0).mode = HostMode::up;
    loop.advance(2s);
    EXPECT_FOUND(patient, "same");
    EXPECT_EQ(hasty->answers, 1);
}

TEST_F(PoolTest, AWaiterMayAskTheSameAgainFromItsCallback) {
    host(0).mode = HostMode::refuses;
    const auto table = lane("t");
    int answers = 0;
    loop.event([&] {
        for (int i = 0; i < 3; ++i) {
            pool->submit(table, {plain, "same", "same"}, {loop.now() + 100ms}, [&](const Outcome&) {
                ++answers;
                for (int j = 0; j < 20; ++j) {
                    pool->submit(table, {plain, "same", "same"}, {loop.now() + 1s},
                                 [&](const Outcome&) { ++answers; });
                }
            });
        }
    });
    loop.advance(200ms);
    EXPECT_EQ(answers, 3);
    loop.advance(2s);
    EXPECT_EQ(answers, 63);
}

struct Stuck {
    const char* name;
    HostMode mode;
    Reaction::Kind reaction;
};

class PoolDeadline : public PoolScene, public testing::WithParamInterface<Stuck> {};

TEST_P(PoolDeadline, AnswersOnceAtTheDeadline) {
    host(0).mode = GetParam().mode;
    db().react = [](auto, const auto&) { return Reaction{GetParam().reaction, 1ms}; };
    const auto table = lane("t");
    const auto start = loop.now();
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 100; ++i)
        all.push_back(ask(table, std::to_string(i % 50), std::chrono::milliseconds(500 + 10 * i)));
    loop.advance(30s);
    for (int i = 0; i < 100; ++i) {
        const auto due = start + std::chrono::milliseconds(500 + 10 * i);
        ASSERT_EQ(all[i]->answers, 1) << i;
        EXPECT_FALSE(all[i]->ok);
        EXPECT_GE(all[i]->at, due);
        EXPECT_LE(all[i]->at, due + 25ms);
    }
    EXPECT_EQ(pool->stats().waiting, 0U);
    EXPECT_LT(loop.fired(), 5000U) << "the loop spins";
}

INSTANTIATE_TEST_SUITE_P(While, PoolDeadline,
                         testing::Values(Stuck{"Connecting", HostMode::silent, Reaction::Kind::rows},
                                         Stuck{"TheHostIsDown", HostMode::refuses, Reaction::Kind::rows},
                                         Stuck{"TheHostIsFull", HostMode::full, Reaction::Kind::rows},
                                         Stuck{"InFlight", HostMode::up, Reaction::Kind::never}),
                         [](const auto& one) { return one.param.name; });

TEST_F(PoolTest, ADeadlineThatHasPassedIsAnsweredAtOnce) {
    const auto asked = ask(lane("t"), "a", 0s);
    EXPECT_FAILED(asked, FailureClass::lost);
}

TEST_F(PoolTest, WhatWasLostIsAskedAgainInOrder) {
    settings.size = 1;
    const auto table = lane("t");
    warm_up(table, 1);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    std::vector<std::shared_ptr<Asked>> all;
    std::vector<std::string> keys;
    for (int i = 0; i < 10; ++i) {
        keys.push_back("k" + std::to_string(i));
        all.push_back(ask(table, keys.back()));
    }
    EXPECT_EQ(database->sent_keys(), keys);
    db().sent.clear();
    db().react = [](auto, const auto&) { return Reaction{}; };
    db().break_connections(0);
    loop.advance(1s);
    for (int i = 0; i < 10; ++i) {
        EXPECT_FOUND(all[i], keys[i]);
    }
    EXPECT_EQ(database->sent_keys(), keys);
}

TEST_F(PoolTest, WritingQueriesAreNotAskedAgain) {
    const auto table = lane("t");
    warm_up(table, 1);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    const auto asked = ask(table, "update", 10s, writing);
    db().break_connections(0);
    loop.advance(0s);
    EXPECT_FAILED(asked, FailureClass::lost);
    loop.advance(5s);
    EXPECT_EQ(asked->answers, 1);
    EXPECT_EQ(database->sent.size(), 1U);
}

TEST_F(PoolTest, WhatBreaksEveryConnectionIsGivenUp) {
    const auto table = lane("t");
    warm_up(table, 2);
    db().react = [](auto, const auto& key) {
        return Reaction{key == "killer" ? Reaction::Kind::breaks : Reaction::Kind::rows, 100us};
    };
    const auto killer = ask(table, "killer");
    std::vector<std::shared_ptr<Asked>> others;
    for (int i = 0; i < 30; ++i) {
        others.push_back(ask(table, std::to_string(i)));
        loop.advance(1ms);
    }
    loop.advance(1s);
    EXPECT_FAILED(killer, FailureClass::lost);
    for (int i = 0; i < 30; ++i) {
        EXPECT_FOUND(others[i], std::to_string(i));
    }
}

TEST_F(PoolTest, AConnectionThatIsSilentForTooLongIsGivenUpAndItsLookupsAskedElsewhere) {
    settings.reply_limit = 2s;
    const auto table = lane("t");
    warm_up(table, 1);
    bool first = true;
    db().react = [&first](auto, const auto&) {
        return Reaction{std::exchange(first, false) ? Reaction::Kind::never : Reaction::Kind::rows};
    };
    const auto asked = ask(table, "a");
    loop.advance(1900ms);
    EXPECT_EQ(asked->answers, 0);
    loop.advance(200ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTest, GoesOnWithTheConnectionsThatAServerGrants) {
    settings.size = 8;
    const auto table = lane("t");
    warm_up(table, 2);
    host(0).mode = HostMode::full;
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 5ms}; };
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 200; ++i) all.push_back(ask(table, std::to_string(i)));
    loop.advance(5s);
    for (int i = 0; i < 200; ++i) {
        EXPECT_FOUND(all[i], std::to_string(i));
    }
    EXPECT_LT(host(0).attempts, 100U);
}

TEST_F(PoolTest, WaitsForAFullServer) {
    host(0).mode = HostMode::full;
    const auto asked = ask(lane("t"), "a");
    loop.advance(3s);
    EXPECT_EQ(asked->answers, 0);
    host(0).mode = HostMode::up;
    loop.advance(600ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTest, AWrongPasswordIsAnsweredAtOnceAndHealsByItself) {
    host(0).mode = HostMode::wrong_password;
    const auto table = lane("t");
    const auto first = ask(table, "a");
    loop.advance(10ms);
    EXPECT_FAILED(first, FailureClass::configuration);
    const auto second = ask(table, "b");
    EXPECT_FAILED(second, FailureClass::configuration);
    for (int i = 0; i < 1000; ++i) {
        (void)ask(table, std::to_string(i));
        loop.advance(10ms);
    }
    EXPECT_LT(host(0).attempts, 10U) << "accounts get locked by too many tries";
    host(0).mode = HostMode::up;
    loop.advance(5s);
    const auto third = ask(table, "c");
    loop.advance(10ms);
    EXPECT_FOUND(third, "c");
}

TEST_F(PoolTest, AHostThatReturnsIsUsedWithinASecond) {
    host(0).mode = HostMode::refuses;
    const auto table = lane("t");
    const auto asked = ask(table, "a", 60s);
    loop.advance(30s);
    EXPECT_EQ(asked->answers, 0);
    host(0).mode = HostMode::up;
    loop.advance(600ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTest, AHostThatIsDownIsNotKnockedAtAllTheTime) {
    host(0).mode = HostMode::refuses;
    const auto table = lane("t");
    for (int i = 0; i < 10000; ++i) {
        (void)ask(table, std::to_string(i));
        loop.advance(1ms);
    }
    EXPECT_LT(host(0).attempts, 45U);
}

TEST_F(PoolTest, IdleConnectionsAreClosed) {
    settings.idle_interval = 5s;
    const auto table = lane("t");
    warm_up(table, 3);
    loop.advance(3s);
    EXPECT_EQ(database->connections.size(), 3U);
    loop.advance(4s);
    EXPECT_EQ(database->connections.size(), 0U);
    const auto fired = loop.fired();
    loop.advance(1h);
    EXPECT_EQ(loop.fired(), fired) << "an idle pool wakes nobody";
}

TEST_F(PoolTest, ABrokenIdleConnectionIsNotNoticedByAnyLookup) {
    const auto table = lane("t");
    warm_up(table, 2);
    db().break_connections(0);
    const auto asked = ask(table, "a");
    loop.advance(10ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTest, SendsBehindOthersOnlyToTheDepthAllowed) {
    settings.size = 2;
    settings.pipeline_depth = 4;
    const auto table = lane("t");
    warm_up(table, 2);
    for (int i = 0; i < 100; ++i) (void)ask(table, std::to_string(i));
    loop.advance(1s);
    EXPECT_EQ(database->deepest, 4U);
}

TEST_F(PoolTest, OpensNoConnectionsForABurstThatIsServedQuickly) {
    const auto table = lane("t");
    warm_up(table, 1);
    for (int i = 0; i < 16; ++i) (void)ask(table, std::to_string(i));
    loop.advance(1s);
    EXPECT_EQ(database->most_connections, 1U);
}

TEST_F(PoolTest, NothingIsSentBehindWhatIsOverdue) {
    settings.size = 2;
    const auto table = lane("t");
    const auto other = lane("other");
    warm_up(table, 1);
    (void)ask(other, "warm");
    loop.advance(10ms);
    db().react = [](auto, const auto& key) {
        return Reaction{key == "stuck" ? Reaction::Kind::never : Reaction::Kind::rows};
    };
    const auto stuck = ask(table, "stuck");
    loop.advance(11ms);
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 50; ++i) all.push_back(ask(other, std::to_string(i)));
    loop.advance(50ms);
    for (int i = 0; i < 50; ++i) {
        EXPECT_FOUND(all[i], std::to_string(i));
    }
    EXPECT_EQ(stuck->answers, 0);
}

TEST_F(PoolTest, ExclusiveQueriesAreAloneOnTheirConnection) {
    settings.size = 3;
    const auto text = lane("text");
    const auto fast = lane("fast");
    warm_up(fast, 2);
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 100; ++i) {
        all.push_back(ask(text, "t" + std::to_string(i), 10s, exclusive));
        all.push_back(ask(fast, "f" + std::to_string(i)));
        if (i % 10 == 0) loop.advance(300us);
    }
    loop.advance(5s);
    for (const auto& one : all) EXPECT_TRUE(one->ok) << one->failure.message;
}

TEST_F(PoolTest, WithoutPipelinesOneQueryAtATime) {
    settings.size = 4;
    db().pipelines = false;
    const auto table = lane("t");
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 100; ++i) all.push_back(ask(table, std::to_string(i)));
    loop.advance(1s);
    for (int i = 0; i < 100; ++i) {
        EXPECT_FOUND(all[i], std::to_string(i));
    }
    EXPECT_EQ(database->deepest, 1U);
    EXPECT_EQ(database->most_connections, 4U);
}

TEST_F(PoolTest, TooManyWaitingLookupsAreRefusedAtOnce) {
    settings.queue_limit = 10;
    host(0).mode = HostMode::refuses;
    const auto table = lane("t");
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 12; ++i) all.push_back(ask(table, std::to_string(i)));
    EXPECT_FAILED(all[10], FailureClass::too_many_connections);
    EXPECT_FAILED(all[11], FailureClass::too_many_connections);
    const auto shared = ask(table, "3");
    host(0).mode = HostMode::up;
    loop.advance(2s);
    EXPECT_FOUND(shared, "3");
    for (int i = 0; i < 10; ++i) {
        EXPECT_FOUND(all[i], std::to_string(i));
    }
}

TEST_F(PoolTest, ASmallerSizeHoldsSoonEvenUnderLoad) {
    settings.size = 6;
    const auto table = lane("t");
    warm_up(table, 6);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 3ms}; };
    std::vector<std::shared_ptr<Asked>> all;
    const auto load = [&](int rounds) {
        for (int i = 0; i < rounds; ++i) {
            for (int j = 0; j < 2; ++j) all.push_back(ask(table, std::to_string(all.size())));
            loop.advance(1ms);
        }
    };
    load(100);
    settings.size = 2;
    loop.event([&] { pool->change(settings); });
    load(300);
    EXPECT_LE(database->connections.size(), 2U);
    loop.advance(8s);
    for (const auto& one : all) EXPECT_TRUE(one->ok) << one->failure.message;
}

TEST_F(PoolTest, ASmallerSizeClosesIdleConnectionsAtOnce) {
    settings.size = 6;
    const auto table = lane("t");
    warm_up(table, 6);
    settings.size = 1;
    loop.event([&] { pool->change(settings); });
    loop.advance(1100ms);
    EXPECT_EQ(database->connections.size(), 1U);
}

TEST_F(PoolTest, ALargerSizeIsUsed) {
    settings.size = 1;
    const auto table = lane("t");
    warm_up(table, 1);
    settings.size = 4;
    loop.event([&] { pool->change(settings); });
    warm_up(table, 4);
    EXPECT_EQ(database->connections.size(), 4U);
}

TEST_F(PoolTest, ItsEndAnswersAllThatWaitAndAllThatAreUnderWay) {
    settings.size = 2;
    settings.pipeline_depth = 2;
    const auto table = lane("t");
    warm_up(table, 2);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 20; ++i) all.push_back(ask(table, std::to_string(i)));
    EXPECT_GT(pool->stats().in_flight, 0U);
    EXPECT_GT(pool->stats().waiting, 0U);
    loop.event([&] { pool.reset(); });
    loop.advance(1h);
    for (const auto& one : all) {
        EXPECT_FAILED(one, FailureClass::lost);
    }
}

TEST_F(PoolTest, ItsEndWhileConnectionsAreClosingAndFailuresAreOnTheirWay) {
    const auto table = lane("t");
    warm_up(table, 2);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    const auto lost = ask(table, "w", 10s, writing);
    // In one pass of the loop: a connection breaks, and the pool goes.
    loop.event([&] {
        for (auto* one : std::vector(db().connections)) one->break_now();
        pool.reset();
        EXPECT_TRUE(db().connections.empty()) << "connections must not outlive the driver";
    });
    loop.advance(1s);
    EXPECT_FAILED(lost, FailureClass::lost);
}

TEST_F(PoolTest, AStatementThatMustBeSentInAnotherWayIsSentAgain) {
    const auto table = lane("t");
    std::map<std::string, int> tries;
    db().react = [&](auto, const auto& key) {
        return Reaction{++tries[key] <= 2 ? Reaction::Kind::resend : Reaction::Kind::rows};
    };
    const auto asked = ask(table, "a");
    loop.advance(100ms);
    EXPECT_FOUND(asked, "a");
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::resend}; };
    const auto endless = ask(table, "b");
    loop.advance(100ms);
    EXPECT_EQ(endless->answers, 1);
    EXPECT_FALSE(endless->ok);
}

TEST_F(PoolTest, AnErrorOfTheQueryHarmsNothingElse) {
    const auto table = lane("t");
    warm_up(table, 1);
    db().react = [](auto, const auto& key) {
        return Reaction{key == "bad" ? Reaction::Kind::query_error : Reaction::Kind::rows};
    };
    const auto bad = ask(table, "bad");
    const auto good = ask(table, "good");
    loop.advance(5ms);
    EXPECT_FAILED(bad, FailureClass::query);
    EXPECT_FOUND(good, "good");
    EXPECT_EQ(host(0).attempts, 1U);
}

}  // namespace
}  // namespace proxyd::pool
