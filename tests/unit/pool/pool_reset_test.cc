// A query may leave state in the session of its connection. No other query may see that state.
#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

class PoolReset : public PoolScene {
  protected:
    // Makes `count` lookups, each after the answer to the one before.
    void ask_in_turn(const std::shared_ptr<TableQueue>& table, int count,
                     const std::shared_ptr<const Statement>& statement) {
        for (int i = 0; i < count; ++i) {
            const auto key = std::to_string(i);
            const auto asked = ask(table, key, 10s, statement);
            while (asked->answers == 0) loop.advance(100us);
            EXPECT_FOUND(asked, key);
        }
    }
};

TEST_F(PoolReset, WhatOnlyWritesKeepsItsConnection) {
    db().resets.reset();
    ask_in_turn(queue("t"), 50, writing);
    EXPECT_EQ(database->connections_made, 1U);
}

TEST_F(PoolReset, WhatLeavesStateKeepsItsConnectionToo) {
    db().resets->time = 1ms;
    ask_in_turn(queue("t"), 50, leaving);
    EXPECT_EQ(database->connections_made, 1U);
}

TEST_F(PoolReset, AConnectionThatCannotBeResetServesNobodyElse) {
    db().resets.reset();
    ask_in_turn(queue("t"), 5, leaving);
    loop.advance(100ms);
    EXPECT_EQ(database->connections_made, 5U);
    EXPECT_EQ(database->connections.size(), 0U);
}

TEST_F(PoolReset, LookupsWaitUntilTheSessionIsClean) {
    settings.size = 1;
    db().resets->time = 5ms;
    const auto table = queue("t");
    const auto other = queue("other");
    const auto first = ask(table, "first", 10s, leaving);
    while (first->answers == 0) loop.advance(100us);
    const auto answered = loop.now();
    std::vector<std::shared_ptr<Asked>> all;
    for (int i = 0; i < 5; ++i) all.push_back(ask(other, std::to_string(i)));
    loop.advance(4ms);
    EXPECT_EQ(all[0]->answers, 0);
    loop.advance(20ms);
    for (int i = 0; i < 5; ++i) {
        EXPECT_FOUND(all[i], std::to_string(i));
        EXPECT_GE(all[i]->at - answered, 5ms);
    }
    EXPECT_EQ(database->connections_made, 1U);
}

TEST_F(PoolReset, AResetThatBreaksTheConnectionCostsNoLookup) {
    settings.size = 1;
    db().resets = Reaction{Reaction::Kind::breaks, 1ms};
    const auto table = queue("t");
    const auto first = ask(table, "first", 10s, leaving);
    while (first->answers == 0) loop.advance(100us);
    EXPECT_FOUND(first, "first");
    const auto next = ask(table, "next");
    loop.advance(100ms);
    EXPECT_FOUND(next, "next");
    EXPECT_EQ(database->connections_made, 2U);
}

TEST_F(PoolReset, AResetThatIsNotAnsweredEndsTheConnection) {
    settings.size = 1;
    db().resets = Reaction{Reaction::Kind::never, {}};
    const auto table = queue("t");
    const auto first = ask(table, "first", 10s, leaving);
    while (first->answers == 0) loop.advance(100us);
    const auto next = ask(table, "next");
    loop.advance(settings.connect_timeout - 100ms);
    EXPECT_EQ(next->answers, 0);
    loop.advance(300ms);
    EXPECT_FOUND(next, "next");
    EXPECT_EQ(database->connections_made, 2U);
}

// Neither a smaller pool nor new settings wait for the end of a reset.
TEST_F(PoolReset, AConnectionThatIsBeingResetCanBeGivenUp) {
    settings.size = 4;
    db().resets = Reaction{Reaction::Kind::never, {}};
    const auto table = queue("t");
    const auto one = ask(table, "one", 10s, leaving);
    const auto two = ask(table, "two", 10s, leaving);
    loop.advance(100ms);
    EXPECT_FOUND(one, "one");
    EXPECT_FOUND(two, "two");
    EXPECT_EQ(database->connections.size(), 2U);
    auto smaller = settings;
    smaller.size = 1;
    loop.event([&] { pool->change(smaller); });
    EXPECT_EQ(database->connections.size(), 1U);
    loop.event([&] { pool->renew(); });
    EXPECT_EQ(database->connections.size(), 0U);
    const auto next = ask(table, "next");
    loop.advance(100ms);
    EXPECT_FOUND(next, "next");
}

}  // namespace
}  // namespace proxyd::pool
