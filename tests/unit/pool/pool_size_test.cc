// The number of connections, and the number of queries on each.
#include <functional>
#include <set>

#include "tests/unit/pool/clients.h"
#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

using PoolSize = PoolScene;

TEST_F(PoolSize, NeverHasMoreConnectionsThanItsSizeEvenWhileClosingThem) {
    settings.size = 3;
    settings.pipeline_depth = 1;
    const auto table = queue("t");
    db().react = [](auto, const auto& key) {
        return Reaction{key.ends_with("77") ? Reaction::Kind::breaks : Reaction::Kind::rows, 5ms};
    };
    for (int i = 0; i < 300; ++i) {
        (void)ask(table, std::to_string(i));
        loop.advance(1ms);
    }
    loop.advance(20s);
    EXPECT_EQ(database->most_connections, 3U);
}

TEST_F(PoolSize, IdleConnectionsAreClosed) {
    settings.idle_interval = 5s;
    const auto table = queue("t");
    warm_up(table, 3);
    loop.advance(3s);
    EXPECT_EQ(database->connections.size(), 3U);
    loop.advance(4s);
    EXPECT_EQ(database->connections.size(), 0U);
    const auto fired = loop.fired();
    loop.advance(1h);
    EXPECT_EQ(loop.fired(), fired) << "an idle pool wakes nobody";
}

TEST_F(PoolSize, SendsBehindOthersOnlyToTheDepthAllowed) {
    settings.size = 2;
    settings.pipeline_depth = 4;
    const auto table = queue("t");
    warm_up(table, 2);
    for (int i = 0; i < 100; ++i) (void)ask(table, std::to_string(i));
    loop.advance(1s);
    EXPECT_EQ(database->deepest, 4U);
}

TEST_F(PoolSize, OpensNoConnectionsForABurstThatIsServedQuickly) {
    const auto table = queue("t");
    warm_up(table, 1);
    for (int i = 0; i < 16; ++i) (void)ask(table, std::to_string(i));
    loop.advance(1s);
    EXPECT_EQ(database->most_connections, 1U);
}

TEST_F(PoolSize, NothingIsSentBehindWhatIsOverdue) {
    settings.size = 2;
    const auto table = queue("t");
    const auto other = queue("other");
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

TEST_F(PoolSize, ExclusiveQueriesAreAloneOnTheirConnection) {
    settings.size = 3;
    const auto text = queue("text");
    const auto fast = queue("fast");
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

TEST_F(PoolSize, WithoutPipelinesOneQueryAtATime) {
    settings.size = 4;
    db().pipelines = false;
    const auto table = queue("t");
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 100; ++i) all.push_back(ask(table, std::to_string(i)));
    loop.advance(1s);
    for (int i = 0; i < 100; ++i) {
        EXPECT_FOUND(all[i], std::to_string(i));
    }
    EXPECT_EQ(database->deepest, 1U);
    EXPECT_EQ(database->most_connections, 4U);
}

TEST_F(PoolSize, ASmallerSizeHoldsSoonEvenUnderLoad) {
    settings.size = 6;
    const auto table = queue("t");
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

TEST_F(PoolSize, ASmallerSizeClosesIdleConnectionsAtOnce) {
    settings.size = 6;
    const auto table = queue("t");
    warm_up(table, 6);
    settings.size = 1;
    loop.event([&] { pool->change(settings); });
    loop.advance(1100ms);
    EXPECT_EQ(database->connections.size(), 1U);
}

TEST_F(PoolSize, ALargerSizeIsUsed) {
    settings.size = 1;
    const auto table = queue("t");
    warm_up(table, 1);
    settings.size = 4;
    loop.event([&] { pool->change(settings); });
    warm_up(table, 4);
    EXPECT_EQ(database->connections.size(), 4U);
}

// Queries under way are answered. The old connections get no further queries.
TEST_F(PoolSize, APoolRenewsItsConnections) {
    settings.size = 2;
    const auto table = queue("t");
    warm_up(table, 2);
    const auto opened = host(0).attempts;
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 5ms}; };
    const auto under_way = ask(table, "under way");
    loop.event([&] { pool->renew(); });
    loop.advance(1ms);
    const auto next = ask(table, "next");
    loop.advance(1s);
    EXPECT_FOUND(under_way, "under way");
    EXPECT_FOUND(next, "next");
    EXPECT_EQ(static_cast<int>(database->connections.size()), host(0).attempts - opened)
        << "an old one has stayed";
    EXPECT_LE(database->most_connections, 2U);
}

TEST_F(PoolSize, AnOldConnectionIsClosedThoughItIsInSteadyUse) {
    settings.size = 2;
    settings.connection_lifetime = 100s;
    const auto table = queue("t");
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 4ms}; };
    Clients clients(loop, *pool, table, plain, 4, 1ms);
    loop.advance(70s);
    const auto before = host(0).attempts;
    const auto old = db().connections;
    loop.advance(32s);
    for (const auto* one : db().connections) {
        EXPECT_EQ(std::find(old.begin(), old.end(), one), old.end()) << "one has outlived its time";
    }
    EXPECT_GT(host(0).attempts, before);
    EXPECT_EQ(clients.failed, 0) << clients.problem;
    EXPECT_LE(clients.longest, 40ms);
    EXPECT_LE(database->most_connections, 2U);
}

TEST_F(PoolSize, OldConnectionsDoNotAllEndAtTheSameTime) {
    settings.size = 8;
    settings.connection_lifetime = 100s;
    settings.idle_interval = 1000s;
    const auto table = queue("t");
    warm_up(table, 8);
    std::set<std::size_t> counts;
    for (int i = 0; i < 110; ++i) {
        loop.advance(1s);
        counts.insert(db().connections.size());
    }
    EXPECT_GE(counts.size(), 4U);
    EXPECT_TRUE(db().connections.empty());
}

TEST_F(PoolSize, WhatIsUnderWayOnAnOldConnectionIsAnswered) {
    settings.connection_lifetime = 10s;
    settings.reply_limit = 60s;
    const auto table = queue("t");
    warm_up(table, 1);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 20s}; };
    const auto asked = ask(table, "w", 40s, writing);
    loop.advance(21s);
    EXPECT_FOUND(asked, "w");
}

TEST_F(PoolSize, WithoutALifetimeConnectionsStay) {
    settings.size = 1;
    const auto table = queue("t");
    warm_up(table, 1);
    const auto attempts = host(0).attempts;
    for (int i = 0; i < 10'000; ++i) {
        (void)ask(table, "k");
        loop.advance(30s);
    }
    EXPECT_EQ(host(0).attempts, attempts);
}

TEST_F(PoolSize, AWornConnectionIsReplacedUnderSteadyLoad) {
    settings.size = 1;
    db().worn_after = 100;
    const auto table = queue("t");
    int answered = 0;
    const std::function<void(int)> ask_from = [&](int i) {
        if (i >= 300) return;
        const auto key = std::to_string(i);
        pool->submit(table, {plain, sql::make_key(key)}, {loop.now() + 1s}, [&, i](const Outcome& outcome) {
            EXPECT_TRUE(outcome.ok()) << outcome.failure.message;
            ++answered;
            ask_from(i + 2);
        });
    };
    loop.event([&] {
        ask_from(0);
        ask_from(1);
    });
    loop.advance(5s);
    EXPECT_EQ(answered, 300);
    EXPECT_GE(host(0).attempts, 3);
    EXPECT_LE(host(0).attempts, 4);
}

}  // namespace
}  // namespace proxyd::pool
