// One host: the waiting queue, shared answers, deadlines, and the end of the pool.
#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

using PoolTest = PoolScene;

TEST_F(PoolTest, AnswersALookup) {
    const auto asked = ask(queue("t"), "a");
    EXPECT_EQ(asked->answers, 0);
    loop.advance(10ms);
    EXPECT_FOUND(asked, "a");
}

TEST_F(PoolTest, OpensNothingBeforeItIsAsked) {
    (void)queue("t");
    loop.advance(10s);
    EXPECT_EQ(host(0).attempts, 0U);
}

TEST_F(PoolTest, AnswersInTheOrderOfAsking) {
    settings.size = 1;
    settings.pipeline_depth = 1;
    const auto table = queue("t");
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
    const auto busy = queue("busy");
    const auto quiet = queue("quiet");
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
    const auto table = queue("t");
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
    const auto table = queue("t");
    warm_up(table, 1);
    const auto first = ask(table, "same");
    const auto second = ask(table, "same");
    loop.advance(50ms);
    EXPECT_FOUND(first, "same");
    EXPECT_FOUND(second, "same");
    EXPECT_EQ(database->sent.size(), 2U);
}

TEST_F(PoolTest, TablesDoNotShareTheirLookups) {
    const auto first = ask(queue("t1"), "same");
    const auto second = ask(queue("t2"), "same");
    loop.advance(50ms);
    EXPECT_FOUND(first, "same");
    EXPECT_FOUND(second, "same");
    EXPECT_EQ(database->sent.size(), 2U);
}

TEST_F(PoolTest, QueriesThatWriteAreNotShared) {
    const auto table = queue("t");
    (void)ask(table, "same", 10s, writing);
    (void)ask(table, "same", 10s, writing);
    loop.advance(50ms);
    EXPECT_EQ(database->sent.size(), 2U);
}

TEST_F(PoolTest, EachWaiterHasItsOwnDeadline) {
    host(0).mode = HostMode::refuses;
    const auto table = queue("t");
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
    const auto table = queue("t");
    int answers = 0;
    loop.event([&] {
        for (int i = 0; i < 3; ++i) {
            pool->submit(table, {plain, sql::make_key("same")}, {loop.now() + 100ms}, [&](const Outcome&) {
                ++answers;
                for (int j = 0; j < 20; ++j) {
                    pool->submit(table, {plain, sql::make_key("same")}, {loop.now() + 1s},
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
    const auto table = queue("t");
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
    const auto asked = ask(queue("t"), "a", 0s);
    EXPECT_FAILED(asked, FailureClass::lost);
}

TEST_F(PoolTest, TooManyWaitingLookupsAreRefusedAtOnce) {
    settings.queue_limit = 10;
    host(0).mode = HostMode::refuses;
    const auto table = queue("t");
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

TEST_F(PoolTest, ItsEndAnswersAllThatWaitAndAllThatAreUnderWay) {
    settings.size = 2;
    settings.pipeline_depth = 2;
    const auto table = queue("t");
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
    const auto table = queue("t");
    warm_up(table, 2);
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::never}; };
    const auto lost = ask(table, "w", 10s, writing);
    // A connection breaks and the pool is destroyed in the same pass of the loop.
    loop.event([&] {
        for (auto* one : std::vector(db().connections)) one->break_now();
        pool.reset();
        EXPECT_TRUE(db().connections.empty()) << "connections must not outlive the driver";
    });
    loop.advance(1s);
    EXPECT_FAILED(lost, FailureClass::lost);
}

}  // namespace
}  // namespace proxyd::pool
