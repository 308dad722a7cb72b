// How a stopping server waits for its clients.
#include "proxyd/server/drain.h"

#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/event/fake_loop.h"

namespace proxyd::server {
namespace {

using namespace std::chrono_literals;

class DrainTest : public testing::Test {
  protected:
    FakeLoop loop;
    std::size_t clients = 2;
    std::vector<Drain::Clients> closed;
    std::vector<std::size_t> finished;
    Drain drain{loop,
                {[this](Drain::Clients which) {
                     closed.push_back(which);
                     return clients;
                 },
                 [this](std::size_t left) { finished.push_back(left); }}};
};

TEST_F(DrainTest, ItEndsWithTheLastClient) {
    drain.start(1h);
    loop.advance(1s);
    EXPECT_GT(closed.size(), 10U);
    EXPECT_THAT(closed, testing::Each(Drain::Clients::if_quiet));
    EXPECT_TRUE(finished.empty());
    clients = 0;
    loop.advance(100ms);
    EXPECT_THAT(finished, testing::ElementsAre(0U));
    const auto steps = closed.size();
    loop.advance(2h);
    EXPECT_EQ(closed.size(), steps) << "it has ended";
    EXPECT_EQ(finished.size(), 1U);
}

TEST_F(DrainTest, NearTheEndOfItsTimeAllAreClosed) {
    drain.start(10s);
    loop.advance(7s);
    EXPECT_EQ(closed.back(), Drain::Clients::if_quiet);
    loop.advance(2s);
    EXPECT_EQ(closed.back(), Drain::Clients::all);
    EXPECT_TRUE(finished.empty());
    loop.advance(1s);
    EXPECT_THAT(finished, testing::ElementsAre(2U)) << "they had all the time";
}

TEST_F(DrainTest, AHurriedOneEndsEarlierAndNeverLater) {
    drain.hurry(1s);
    EXPECT_FALSE(drain.hurries()) << "nothing to shorten";
    drain.start(10s);
    EXPECT_FALSE(drain.hurries());
    drain.hurry(20s);
    EXPECT_TRUE(drain.hurries());
    drain.hurry(3s);
    loop.advance(3s);
    EXPECT_EQ(finished.size(), 1U);
    EXPECT_TRUE(drain.hurries()) << "to the last lookup";
}

}  // namespace
}  // namespace proxyd::server
