// Slow tables beside fast ones.
#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

class PoolFairness : public PoolScene {
  protected:
    // Keys are "<table>:<anything>". The table's name is the time of its queries in milliseconds.
    void react_by_key() {
        db().react = [](auto, const auto& key) {
            return Reaction{Reaction::Kind::rows, std::chrono::milliseconds(std::stoi(key)) + 100us};
        };
    }
};

// Once, two late answers of a fast table made all its lookups wait, although connections were free and a slow
// table was using its share.
TEST_F(PoolFairness, AFewLateAnswersDoNotHoldUpAFastTableBesideASlowOne) {
    settings.size = 8;
    const auto slow = queue("slow");
    const auto fast = queue("fast");
    warm_up(fast, 4);
    db().react = [](auto, const auto& key) {
        const auto time = key.starts_with("slow") ? 500ms : key.starts_with("late") ? 300ms : 0ms;
        return Reaction{Reaction::Kind::rows, time + 100us};
    };
    for (int i = 0; i < 200; ++i) (void)ask(slow, "slow" + std::to_string(i), 60s);
    loop.advance(2s);
    const auto late = ask(fast, "late1");
    const auto other = ask(fast, "late2");
    loop.advance(60ms);
    const auto quick = ask(fast, "quick");
    loop.advance(10ms);
    EXPECT_FOUND(quick, "quick");
    EXPECT_EQ(late->answers + other->answers, 0);
    loop.advance(1s);
    EXPECT_FOUND(late, "late1");
}

TEST_F(PoolFairness, SlowTablesNeverHoldAllConnections) {
    for (const std::size_t size : {2U, 3U, 4U, 8U, 20U}) {
        settings.size = size;
        react_by_key();
        std::vector<std::shared_ptr<TableQueue>> slow;
        const std::vector<int> times{50, 400, 2000};
        for (const int time : times) slow.push_back(queue(std::to_string(time)));
        const auto fast = queue("0");
        std::vector<std::shared_ptr<Asked>> quick;
        for (int i = 0; i < 3000; ++i) {
            for (std::size_t t = 0; t < slow.size(); ++t) {
                if (i % 10 == 0) (void)ask(slow[t], std::to_string(times[t]) + ":" + std::to_string(i));
            }
            quick.push_back(ask(fast, "0:" + std::to_string(i)));
            loop.advance(2ms);
        }
        loop.advance(10s);
        for (std::size_t i = 0; i < quick.size(); ++i) {
            ASSERT_TRUE(quick[i]->ok) << size << ": " << quick[i]->failure.message;
        }
        EXPECT_LE(database->most_connections, size);
        pool.reset();
        database.reset();
    }
}

TEST_F(PoolFairness, AFastTableWaitsForNoSlowOne) {
    for (const std::size_t size : {2U, 4U, 8U}) {
        settings.size = size;
        react_by_key();
        const auto slow = queue("slow");
        const auto fast = queue("fast");
        (void)ask(fast, "0:warm");
        loop.advance(20ms);
        for (int i = 0; i < 100; ++i) (void)ask(slow, "1500:" + std::to_string(i), 60s);
        loop.advance(5s);
        std::vector<std::shared_ptr<Asked>> quick;
        for (int i = 0; i < 500; ++i) {
            const auto start = loop.now();
            quick.push_back(ask(fast, "0:" + std::to_string(i)));
            loop.advance(20ms);
            ASSERT_TRUE(quick.back()->ok) << size << " " << i;
            EXPECT_LE(quick.back()->at - start, 15ms) << size << " " << i;
        }
        pool.reset();
        loop.advance(0s);
        database.reset();
    }
}

TEST_F(PoolFairness, OneSlowTableLeavesRoomForAnother) {
    settings.size = 8;
    react_by_key();
    const auto hog = queue("hog");
    const auto other = queue("other");
    for (int i = 0; i < 100; ++i) (void)ask(hog, "3000:" + std::to_string(i), 60s);
    loop.advance(10s);
    const auto start = loop.now();
    const auto asked = ask(other, "100:x");
    loop.advance(5s);
    EXPECT_TRUE(asked->ok);
    EXPECT_LE(asked->at - start, 200ms);
}

TEST_F(PoolFairness, ANewTableThatIsSlowDoesNotTakeAllConnections) {
    settings.size = 8;
    react_by_key();
    const auto fast = queue("fast");
    (void)ask(fast, "0:warm");
    loop.advance(20ms);
    const auto fresh = queue("fresh");
    for (int i = 0; i < 100; ++i) (void)ask(fresh, "5000:" + std::to_string(i));
    const auto start = loop.now();
    const auto asked = ask(fast, "0:x");
    loop.advance(50ms);
    ASSERT_TRUE(asked->ok);
    EXPECT_LE(asked->at - start, 40ms);
}

TEST_F(PoolFairness, ATableThatBecomesFastAgainIsTreatedSo) {
    settings.size = 4;
    const auto table = queue("t");
    react_by_key();
    for (int i = 0; i < 10; ++i) (void)ask(table, "50:" + std::to_string(i));
    loop.advance(2s);
    EXPECT_EQ(table->speed(), Speed::slow);
    for (int i = 0; i < 100; ++i) {
        (void)ask(table, "0:" + std::to_string(i));
        loop.advance(5ms);
    }
    EXPECT_EQ(table->speed(), Speed::fast);
    EXPECT_EQ(table->slow_connections, 0);
    EXPECT_EQ(table->overdue, 0);
}

TEST_F(PoolFairness, TheNetworkDoesNotMakeATableSlow) {
    host(0).round_trip = 80ms;
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 81ms}; };
    const auto table = queue("t");
    for (int i = 0; i < 20; ++i) {
        (void)ask(table, std::to_string(i));
        loop.advance(200ms);
    }
    EXPECT_EQ(table->speed(), Speed::fast);
}

// A lock suddenly blocks a table whose queries were quick. Other tables still work.
TEST_F(PoolFairness, ATableThatGetsStuckLeavesConnectionsToOthers) {
    settings.size = 8;
    const auto victim = queue("victim");
    const auto other = queue("other");
    warm_up(victim, 5);
    (void)ask(other, "warm");
    loop.advance(50ms);
    db().react = [](auto, const auto& key) {
        return Reaction{key.starts_with("v") ? Reaction::Kind::never : Reaction::Kind::rows};
    };
    std::vector<std::pair<TimePoint, std::shared_ptr<Asked>>> others;
    for (int i = 0; i < 2000; ++i) {
        (void)ask(victim, "v" + std::to_string(i), 9s);
        others.emplace_back(loop.now(), ask(other, "o" + std::to_string(i)));
        loop.advance(1ms);
    }
    loop.advance(200ms);
    for (const auto& [start, one] : others) {
        ASSERT_TRUE(one->ok);
        EXPECT_LE(one->at - start, 150ms);
    }
}

}  // namespace
}  // namespace proxyd::pool
