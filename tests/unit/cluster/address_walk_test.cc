#include "backends/cluster/address_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::cluster {
namespace {

using namespace std::chrono_literals;
using pool::FailureClass;
using testing::ElementsAre;

const pool::Failure refused{FailureClass::unreachable, "connection refused"};
const pool::Failure wrong_password{FailureClass::configuration, "wrong password"};
const pool::Failure starting_up{FailureClass::unreachable, "the database system is starting up"};

std::vector<std::string> many(int count) {
    std::vector<std::string> addresses;
    for (int i = 1; i <= count; ++i) addresses.push_back("10.0.0." + std::to_string(i));
    return addresses;
}

class AddressWalkTest : public testing::Test {
  protected:
    // Every address but `good` is silent. Returns the addresses that were tried, in order.
    std::vector<std::string> attempt(const std::vector<std::string>& addresses, const std::string& good,
                                     Duration limit = 3s) {
        const auto begun = now;
        AddressWalk walk(memory, begun, limit);
        walk.begin("db.example", addresses, 0);
        std::vector<std::string> tried;
        while (const auto step = walk.next(now)) {
            tried.push_back(step->address);
            if (step->address == good) {
                walk.worked();
                break;
            }
            if (!step->share) break;
            shares.push_back(*step->share);
            now += *step->share;
            walk.timed_out();
        }
        EXPECT_LE(now, begun + limit);
        told = walk.failure();
        return tried;
    }

    AddressMemory memory;
    TimePoint now{1h};
    std::vector<Duration> shares;
    pool::Failure told;
};

TEST_F(AddressWalkTest, EachHasAnEqualShareOfTheTime) {
    EXPECT_THAT(attempt({"a", "b", "c"}, "none"), ElementsAre("a", "b", "c"));
    EXPECT_THAT(shares, ElementsAre(950ms, 950ms, 950ms));
    EXPECT_EQ(told.message, "address c: no connection within 0.95 s, its share of connect_timeout");
}

TEST_F(AddressWalkTest, WhatARefusalLeavesGoesToTheOthers) {
    AddressWalk walk(memory, now, 3s);
    walk.begin("db.example", {"a", "b", "c"}, 0);
    EXPECT_EQ(walk.next(now)->share, 950ms);
    walk.failed(refused, false);
    EXPECT_EQ(walk.next(now)->share, 1425ms);
    walk.failed(refused, false);
    EXPECT_EQ(walk.next(now)->share, 2850ms);
}

TEST_F(AddressWalkTest, TheOnlyAddressHasAllTheTime) {
    AddressWalk walk(memory, now, 3s);
    walk.begin("db.example", {"a"}, 0);
    const auto step = walk.next(now);
    ASSERT_TRUE(step.has_value());
    EXPECT_FALSE(step->share.has_value());
}

TEST_F(AddressWalkTest, OfManyEachHasAtLeastAQuarterOfASecond) {
    (void)attempt(many(150), "none");
    EXPECT_EQ(shares.size(), 11U);
    EXPECT_THAT(shares, testing::Each(testing::Ge(250ms)));
}

TEST_F(AddressWalkTest, TheOneThatAnswersIsFoundHoweverManyAreSilent) {
    int attempts = 1;
    while (attempt(many(150), "10.0.0.150").back() != "10.0.0.150") ASSERT_LT(++attempts, 20);
    EXPECT_EQ(attempts, 14);
    EXPECT_THAT(attempt(many(150), "10.0.0.150"), ElementsAre("10.0.0.150"));
}

TEST_F(AddressWalkTest, ShortTimesAreForOneAddressAfterTheOther) {
    EXPECT_THAT(attempt({"a", "b"}, "b", 100ms), ElementsAre("a"));
    EXPECT_THAT(attempt({"a", "b"}, "b", 100ms), ElementsAre("b"));
}

TEST_F(AddressWalkTest, TheAddressThatWorkedLastComesFirst) {
    EXPECT_THAT(attempt({"a", "b", "c"}, "b"), ElementsAre("a", "b"));
    EXPECT_THAT(attempt({"a", "b", "c"}, "b"), ElementsAre("b"));
    // After it fails, the address without a history comes first.
    EXPECT_THAT(attempt({"a", "b", "c"}, "c"), ElementsAre("b", "c"));
    EXPECT_THAT(attempt({"a", "b", "c"}, "a"), ElementsAre("c", "a"));
}

TEST_F(AddressWalkTest, WhatTheNameNoLongerHasIsForgotten) {
    (void)attempt({"a", "b"}, "b");
    EXPECT_THAT(attempt({"c"}, "c"), ElementsAre("c"));
    EXPECT_THAT(attempt({"a", "d"}, "a"), ElementsAre("a"));
}

TEST_F(AddressWalkTest, AnAddressThatWasGivenUpHasFailed) {
    {
        AddressWalk walk(memory, now, 3s);
        walk.begin("db.example", {"a", "b"}, 0);
        EXPECT_EQ(walk.next(now)->address, "a");
    }
    EXPECT_THAT(attempt({"a", "b"}, "b"), ElementsAre("b"));
}

TEST_F(AddressWalkTest, NamesThatFollowHaveTheirShare) {
    AddressWalk walk(memory, now, 4s);
    EXPECT_EQ(walk.share_of_name(now, 1), 1900ms);
    walk.begin("one.example", {"a"}, 1);
    EXPECT_EQ(walk.next(now)->share, 1900ms);
    walk.failed(refused, false);
    EXPECT_FALSE(walk.next(now).has_value());
    EXPECT_TRUE(walk.has_time(now));
    walk.begin("two.example", {"b"}, 0);
    EXPECT_EQ(walk.next(now)->share, 3800ms);
}

// The address that cannot be reached may be that of the primary.
TEST_F(AddressWalkTest, AStandbyCountsForLessThanOneThatCannotBeReached) {
    const pool::Failure standby{FailureClass::unwanted, "session is read-only"};
    const auto told_after = [this](const pool::Failure& first, const pool::Failure& second) {
        AddressWalk walk(memory, now, 3s);
        walk.begin("db.example", {"a", "b"}, 0);
        (void)walk.next(now);
        walk.failed(first, false);
        (void)walk.next(now);
        walk.failed(second, false);
        return walk.failure().kind;
    };
    EXPECT_EQ(told_after(refused, standby), FailureClass::unreachable);
    EXPECT_EQ(told_after(standby, refused), FailureClass::unreachable);
    EXPECT_EQ(told_after(standby, standby), FailureClass::unwanted);
}

TEST_F(AddressWalkTest, WhatAServerSaidIsTold) {
    AddressWalk walk(memory, now, 3s);
    walk.begin("db.example", {"a", "b", "c", "d"}, 0);
    (void)walk.next(now);
    walk.failed(refused, false);
    EXPECT_EQ(walk.failure().message, refused.message);
    (void)walk.next(now);
    walk.failed(starting_up, true);
    (void)walk.next(now);
    walk.timed_out();
    EXPECT_EQ(walk.failure().message, starting_up.message);
    (void)walk.next(now);
    walk.failed(wrong_password, true);
    EXPECT_EQ(walk.failure().message, wrong_password.message);
    EXPECT_EQ(walk.failure().kind, FailureClass::configuration);
}

}  // namespace
}  // namespace proxyd::cluster
