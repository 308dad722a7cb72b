#include "proxyd/server/client_memory.h"

#include <gmock/gmock.h>

namespace proxyd::server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kilobyte = 1024;
constexpr TimePoint start{1h};

TEST(ClientMemory, WhoHoldsLittleIsNeverCounted) {
    ClientMemory memory(100 * kilobyte);
    for (int client = 0; client < 1000; ++client) memory.holds(client, ClientMemory::small, start);
    EXPECT_EQ(memory.held(), 0U);
    EXPECT_FALSE(memory.exceeded());
    memory.holds(1000, 101 * kilobyte, start);
    EXPECT_TRUE(memory.exceeded());
    EXPECT_THAT(memory.worst(start), ElementsAre(1000));
}

TEST(ClientMemory, CountsWhatClientsHoldNow) {
    ClientMemory memory(100 * kilobyte);
    memory.holds(1, 20 * kilobyte, start);
    memory.holds(2, 30 * kilobyte, start);
    memory.holds(1, 10 * kilobyte, start);
    EXPECT_EQ(memory.held(), 40 * kilobyte);
    memory.holds(2, 100, start);
    EXPECT_EQ(memory.held(), 10 * kilobyte);
    memory.forget(1);
    memory.forget(1);
    EXPECT_EQ(memory.held(), 0U);
}

TEST(ClientMemory, TheWorstHoldMostForLongest) {
    ClientMemory memory(100 * kilobyte);
    memory.holds(1, 30 * kilobyte, start);       // a little, for long
    memory.holds(2, 50 * kilobyte, start + 1s);  // more
    memory.holds(3, 60 * kilobyte, start + 9s);  // most, but only just now
    EXPECT_TRUE(memory.exceeded());
    // An eighth of the limit is free again when 52.5 kB of the 140 kB are released.
    EXPECT_THAT(memory.worst(start + 10s), ElementsAre(2, 1));
    EXPECT_THAT(memory.worst(start + 100s), ElementsAre(3));
}

TEST(ClientMemory, HoldingLongerCountsAlsoWhenItChanges) {
    ClientMemory memory(100 * kilobyte);
    memory.holds(1, 60 * kilobyte, start);
    memory.holds(2, 60 * kilobyte, start + 5s);
    memory.holds(1, 59 * kilobyte, start + 9s);  // reads now and then
    EXPECT_THAT(memory.worst(start + 10s), ElementsAre(1));
    memory.holds(1, 0, start + 10s);
    memory.holds(1, 60 * kilobyte, start + 10s);  // has read everything, and starts again
    EXPECT_THAT(memory.worst(start + 11s), ElementsAre(2));
}

TEST(ClientMemory, NobodyHasToGoBelowTheLimit) {
    ClientMemory memory(100 * kilobyte);
    memory.holds(1, 80 * kilobyte, start);
    EXPECT_FALSE(memory.exceeded());
    EXPECT_THAT(memory.worst(start + 1s), IsEmpty());
}

TEST(ClientMemory, LongRepliesShareItAndOneFitsInAnyCase) {
    ClientMemory memory(1'000'000);
    EXPECT_TRUE(memory.has_room_for_reply(3'000'000));
    memory.begin_reply(600'000);
    EXPECT_TRUE(memory.has_room_for_reply(400'000));
    EXPECT_FALSE(memory.has_room_for_reply(400'001));
    memory.holds(1, 400'000, TimePoint{});
    EXPECT_FALSE(memory.exceeded());
    EXPECT_FALSE(memory.has_room_for_reply(1));
    memory.holds(2, 10'000, TimePoint{});
    EXPECT_TRUE(memory.exceeded());
    memory.forget(1);
    memory.end_reply(600'000);
    memory.begin_reply(3'000'000);
    memory.holds(1, 200'000, TimePoint{});
    EXPECT_FALSE(memory.exceeded()) << "something is left for others";
    memory.end_reply(3'000'000);
    EXPECT_EQ(memory.long_replies(), 0U);
}

TEST(ClientMemory, LongRequestsUnderWayHaveHalfOfIt) {
    ClientMemory memory(100 * kilobyte);
    EXPECT_TRUE(memory.begin(25 * kilobyte));
    EXPECT_TRUE(memory.begin(25 * kilobyte));
    EXPECT_FALSE(memory.begin(25 * kilobyte));
    EXPECT_TRUE(memory.begin(100)) << "a usual one is always taken";
    memory.done(100);
    memory.done(25 * kilobyte);
    EXPECT_TRUE(memory.begin(25 * kilobyte));
}

}  // namespace
}  // namespace proxyd::server
