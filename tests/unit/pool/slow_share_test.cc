#include "backends/pool/slow_share.h"

#include <deque>
#include <memory>

#include <gtest/gtest.h>

namespace proxyd::pool {
namespace {

using std::chrono::milliseconds;

std::shared_ptr<TableQueue> slow_table() {
    auto table = std::make_shared<TableQueue>("slow");
    table->sample(milliseconds(100));
    return table;
}

// Usually fast, but a query of it is late now.
std::shared_ptr<TableQueue> late_table() {
    auto table = std::make_shared<TableQueue>("late");
    table->sample(milliseconds(1));
    table->overdue = 1;
    return table;
}

class SlowShareTest : public testing::Test {
  protected:
    // Another query of the table holds a connection.
    HeldShare& begin(TableQueue& table) {
        auto& held = queries.emplace_back(HeldShare::none);
        share.hold(held, table);
        return held;
    }

    std::deque<HeldShare> queries;
    SlowShare share;
};

TEST_F(SlowShareTest, LeavesAQuarterOfThePoolForQuickQueries) {
    EXPECT_EQ(SlowShare::limit(1), 1U);
    EXPECT_EQ(SlowShare::limit(2), 1U);
    EXPECT_EQ(SlowShare::limit(3), 2U);
    EXPECT_EQ(SlowShare::limit(8), 6U);
    EXPECT_EQ(SlowShare::limit(100), 75U);
}

TEST_F(SlowShareTest, AllSlowTablesTogetherStayWithinTheLimit) {
    const auto one = slow_table();
    const auto other = slow_table();
    for (int i = 0; i < 3; ++i) begin(*one);
    for (int i = 0; i < 2; ++i) begin(*other);
    EXPECT_TRUE(share.has_room(*one, 8));
    begin(*other);
    EXPECT_EQ(share.held(), 6U);
    EXPECT_FALSE(share.has_room(*one, 8));
    EXPECT_FALSE(share.has_room(*other, 8));
}

TEST_F(SlowShareTest, AUsuallyFastTableMayUseAReservedConnectionButNotTheLastOne) {
    const auto slow = slow_table();
    const auto late = late_table();
    for (int i = 0; i < 6; ++i) begin(*slow);
    EXPECT_FALSE(share.has_room(*slow, 8));
    EXPECT_TRUE(share.has_room(*late, 8));
    begin(*late);
    EXPECT_FALSE(share.has_room(*late, 8));

    SlowShare small;
    HeldShare held = HeldShare::none;
    small.hold(held, *slow);
    EXPECT_FALSE(small.has_room(*late, 2));
}

TEST_F(SlowShareTest, OneTableNeverHoldsTheWholeShare) {
    const auto table = slow_table();
    for (int i = 0; i < 3; ++i) begin(*table);
    EXPECT_TRUE(SlowShare::is_turn_of(*table, 8, {table}));
    begin(*table);
    EXPECT_TRUE(share.has_room(*table, 8));
    EXPECT_FALSE(SlowShare::is_turn_of(*table, 8, {table}));
}

TEST_F(SlowShareTest, InASmallPoolEachTableMayHoldOneConnection) {
    const auto table = slow_table();
    EXPECT_TRUE(SlowShare::is_turn_of(*table, 1, {table}));
    begin(*table);
    EXPECT_FALSE(SlowShare::is_turn_of(*table, 1, {table}));
}

TEST_F(SlowShareTest, TheTableThatHoldsTheFewestConnectionsComesFirst) {
    const auto one = slow_table();
    const auto other = slow_table();
    begin(*one);
    EXPECT_TRUE(SlowShare::is_turn_of(*one, 8, {one, other})) << "the other one has nothing to send";
    other->waiting.push_back(std::make_shared<Request>());
    EXPECT_FALSE(SlowShare::is_turn_of(*one, 8, {one, other}));
    EXPECT_TRUE(SlowShare::is_turn_of(*other, 8, {one, other}));
    other->waiting.front()->failed_hosts.push_back(0);
    EXPECT_TRUE(SlowShare::is_turn_of(*one, 8, {one, other})) << "the other one waits for another host";
}

TEST_F(SlowShareTest, AFastTableIsWaitedForByNobody) {
    const auto slow = slow_table();
    const auto fast = std::make_shared<TableQueue>("fast");
    fast->sample(milliseconds(1));
    fast->waiting.push_back(std::make_shared<Request>());
    begin(*slow);
    EXPECT_TRUE(SlowShare::is_turn_of(*slow, 8, {slow, fast}));
}

TEST_F(SlowShareTest, AQueryHoldsOneConnectionHoweverOftenItIsCounted) {
    const auto table = slow_table();
    auto& held = begin(*table);
    share.hold(held, *table);
    EXPECT_EQ(share.held(), 1U);
    EXPECT_EQ(table->slow_connections, 1);
    share.release(held, *table);
    share.release(held, *table);
    EXPECT_EQ(held, HeldShare::none);
    EXPECT_EQ(share.held(), 0U);
    EXPECT_EQ(table->slow_connections, 0);
}

TEST_F(SlowShareTest, AQueryThatIsAskedTwiceCountsForThePoolAlone) {
    const auto table = slow_table();
    auto& held = begin(*table);
    SlowShare::release_for_table(held, *table);
    EXPECT_EQ(held, HeldShare::pool);
    EXPECT_EQ(share.held(), 1U);
    EXPECT_EQ(table->slow_connections, 0);
    share.hold(held, *table);
    EXPECT_EQ(table->slow_connections, 0);
    share.release(held, *table);
    EXPECT_EQ(share.held(), 0U);
    EXPECT_EQ(table->slow_connections, 0);
}

TEST_F(SlowShareTest, WhatHoldsNothingHasNothingToRelease) {
    const auto table = slow_table();
    HeldShare held = HeldShare::none;
    SlowShare::release_for_table(held, *table);
    share.release(held, *table);
    EXPECT_EQ(share.held(), 0U);
    EXPECT_EQ(table->slow_connections, 0);
}

}  // namespace
}  // namespace proxyd::pool
