#include "backends/mysql/setup_memory.h"

#include <gtest/gtest.h>

namespace proxyd::mysql {
namespace {

using namespace std::chrono_literals;

class SetupMemoryTest : public testing::Test {
  protected:
    // A connection begins now and is lost during its check a little later.
    void lose(const std::string& host = "db") {
        const auto begun = now;
        now += 1ms;
        steps.lost(host, OptionalStep::serving, "lost", begun, now);
    }
    [[nodiscard]] bool omits(const std::string& host = "db") const {
        return steps.omits(host, OptionalStep::serving, now);
    }

    TimePoint now{1h};
    SetupMemory steps;
};

TEST_F(SetupMemoryTest, TheSecondLossInARowCounts) {
    EXPECT_FALSE(omits());
    lose();
    EXPECT_FALSE(omits());
    EXPECT_TRUE(steps.served("db", now).empty());
    steps.answered("db", OptionalStep::serving);
    lose();
    EXPECT_FALSE(omits());
    lose();
    EXPECT_TRUE(omits());
    EXPECT_FALSE(steps.omits("db", OptionalStep::time_limit, now));
    EXPECT_FALSE(omits("other"));
}

TEST_F(SetupMemoryTest, ConnectionsThatWereOpenTogetherCountOnce) {
    for (int i = 0; i < 8; ++i) steps.lost("db", OptionalStep::serving, "lost", now, now + 1ms);
    EXPECT_FALSE(omits());
}

TEST_F(SetupMemoryTest, ItIsTriedAgainAfterTenMinutes) {
    lose();
    lose();
    const auto news = steps.served("db", now);
    ASSERT_EQ(news.size(), 1U);
    EXPECT_EQ(news.front().step, OptionalStep::serving);
    EXPECT_EQ(news.front().why, "lost");
    EXPECT_TRUE(steps.served("db", now).empty()) << "told once";
    now += 10min - 1ms;
    EXPECT_TRUE(omits());
    now += 1ms;
    EXPECT_FALSE(omits());
    lose();
    EXPECT_FALSE(omits());
    lose();
    EXPECT_TRUE(omits());
    EXPECT_EQ(steps.served("db", now).size(), 1U);
}

// The server ended during the check, and cannot be reached at the next attempt.
TEST_F(SetupMemoryTest, AServerThatIsGoneHadAnotherReason) {
    lose();
    lose();
    steps.unreachable("db");
    EXPECT_FALSE(omits());
    EXPECT_TRUE(steps.served("db", now).empty());
}

TEST_F(SetupMemoryTest, AServerThatTakesNoQueriesIsCheckedAgain) {
    lose();
    lose();
    EXPECT_EQ(steps.served("db", now).size(), 1U);
    steps.unreachable("db");
    EXPECT_TRUE(omits()) << "what was found out stands";
    steps.not_serving("db");
    EXPECT_FALSE(omits());
}

}  // namespace
}  // namespace proxyd::mysql
