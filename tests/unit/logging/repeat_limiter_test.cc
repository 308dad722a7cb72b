#include "proxyd/logging/repeat_limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxyd/logging/kept_name.h"

namespace proxyd::logging {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RepeatLimiterTest : public testing::Test {
  protected:
    RepeatLimiter::Verdict admit(std::string_view topic, std::string_view text = "text") {
        return limiter_.admit(Severity::warning, topic, text, now_);
    }

    TimePoint now_{seconds(1000)};
    RepeatLimiter limiter_{seconds(60), 3};
};

TEST_F(RepeatLimiterTest, FirstLineOfATopicIsWrittenAtOnce) {
    const auto verdict = admit("host a");
    EXPECT_TRUE(verdict.write);
    EXPECT_EQ(verdict.repeats.suffix(), "");
    EXPECT_TRUE(admit("host b").write);
}

TEST_F(RepeatLimiterTest, MoreLinesWithinTheIntervalAreCountedAndToldWithTheNextLine) {
    EXPECT_TRUE(admit("a").write);
    for (int i = 0; i < 5; ++i) {
        now_ += seconds(10);
        EXPECT_FALSE(admit("a").write);
    }
    now_ += milliseconds(9999);
    EXPECT_FALSE(admit("a").write);
    now_ += milliseconds(1);
    const auto verdict = admit("a");
    EXPECT_TRUE(verdict.write);
    EXPECT_EQ(verdict.repeats.suffix(), "(6 more like this in the last 60 s)");
    EXPECT_FALSE(admit("a").write) << "a new interval has begun";
}

TEST_F(RepeatLimiterTest, NoCountWhenNothingWasCounted) {
    EXPECT_TRUE(admit("a").write);
    now_ += seconds(60);
    const auto verdict = admit("a");
    EXPECT_TRUE(verdict.write);
    EXPECT_EQ(verdict.repeats.suffix(), "");
}

TEST_F(RepeatLimiterTest, AnErrorIsNotHiddenBehindAWarningOfTheSameTopic) {
    EXPECT_TRUE(limiter_.admit(Severity::warning, "a", "t", now_).write);
    EXPECT_TRUE(limiter_.admit(Severity::error, "a", "t", now_).write);
    EXPECT_FALSE(limiter_.admit(Severity::error, "a", "t", now_).write);
}

TEST_F(RepeatLimiterTest, ATopicThatWentQuietIsSummarisedOnceWithItsLastText) {
    (void)admit("a", "first");
    now_ += seconds(1);
    (void)admit("a", "second");
    (void)admit("a", "third");
    (void)admit("quiet from the start");
    EXPECT_TRUE(limiter_.due(now_).empty());
    EXPECT_EQ(limiter_.next_due(), TimePoint(seconds(1060)));

    now_ = TimePoint(seconds(1065));
    const auto summaries = limiter_.due(now_);
    ASSERT_EQ(summaries.size(), 1U);
    EXPECT_EQ(summaries[0].text, "third");
    EXPECT_EQ(summaries[0].severity, Severity::warning);
    EXPECT_EQ(summaries[0].repeats.prefix(), "2 earlier messages like this in the last 65 s were counted: ");

    now_ += seconds(200);
    EXPECT_TRUE(limiter_.due(now_).empty());
    EXPECT_EQ(limiter_.topics(), 0U) << "forgotten after a whole quiet interval";
    EXPECT_FALSE(limiter_.next_due().has_value());
}

TEST_F(RepeatLimiterTest, OneLinePerIntervalAlsoAfterASummary) {
    (void)admit("a");
    (void)admit("a");
    now_ += seconds(60);
    ASSERT_EQ(limiter_.due(now_).size(), 1U);
    now_ += seconds(1);
    EXPECT_FALSE(admit("a").write);
    now_ += seconds(59);
    EXPECT_EQ(limiter_.due(now_).size(), 1U);
}

TEST_F(RepeatLimiterTest, OldestTopicMakesRoomAndItsCountIsNotLost) {
    (void)admit("a", "text of a");
    (void)admit("a", "more of a");
    now_ += seconds(1);
    (void)admit("b");
    (void)admit("c");
    const auto verdict = admit("d");
    EXPECT_TRUE(verdict.write);
    ASSERT_TRUE(verdict.dropped.has_value());
    EXPECT_EQ(verdict.dropped->text, "more of a");
    EXPECT_EQ(verdict.dropped->repeats.count, 1U);
    EXPECT_FALSE(admit("e").dropped.has_value()) << "b had nothing counted";
    EXPECT_EQ(limiter_.topics(), 3U);
    EXPECT_TRUE(admit("a").write);
}

TEST_F(RepeatLimiterTest, AWrittenLineMakesATopicTheYoungest) {
    (void)admit("a");
    now_ += seconds(30);
    (void)admit("b");
    (void)admit("c");
    now_ += seconds(30);
    EXPECT_TRUE(admit("a").write);
    (void)admit("d");  // drops b
    EXPECT_FALSE(admit("a").write);
}

TEST_F(RepeatLimiterTest, HoldsNoMoreThanItsTopicsHoweverManyComeBy) {
    for (int i = 0; i < 10000; ++i) {
        EXPECT_TRUE(admit("topic " + std::to_string(i)).write);
        ASSERT_LE(limiter_.topics(), 3U);
    }
}

TEST_F(RepeatLimiterTest, DrainTellsAllCountsEarly) {
    (void)admit("a");
    (void)admit("a");
    (void)admit("b");
    now_ += seconds(5);
    const auto summaries = limiter_.drain(now_);
    ASSERT_EQ(summaries.size(), 1U);
    EXPECT_EQ(summaries[0].repeats.prefix(), "once more in the last 5 s: ");
    EXPECT_EQ(limiter_.topics(), 0U);
}

// Clients can make topics and texts as long as a request may be.
TEST_F(RepeatLimiterTest, OfLongTopicsAndTextsTheBeginningIsKept) {
    const std::string topic(900000, 't');
    const std::string text(900000, 'x');
    EXPECT_TRUE(admit(topic, text).write);
    EXPECT_TRUE(admit(topic + "t", text).write) << "another topic";
    EXPECT_FALSE(admit(topic, text).write);
    EXPECT_FALSE(admit(kept_name(topic), text).write) << "what is kept is no more than that";
    EXPECT_LE(kept_name(topic).size(), 200U);
    const auto summaries = limiter_.drain(now_);
    ASSERT_EQ(summaries.size(), 1U);
    EXPECT_EQ(summaries[0].text.size(), 2000U);
}

TEST_F(RepeatLimiterTest, IntervalOfZeroWritesEverything) {
    (void)admit("a");
    (void)admit("a");
    limiter_.set_interval(Duration::zero());
    EXPECT_TRUE(admit("a").write);
    EXPECT_TRUE(admit("a").write);
    EXPECT_EQ(limiter_.due(now_).size(), 1U) << "what was counted before";
    EXPECT_EQ(limiter_.topics(), 0U);
}

}  // namespace
}  // namespace proxyd::logging
