#include "backends/pool/usual_time.h"

#include <gtest/gtest.h>

namespace proxyd::pool {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds least{250};

UsualTime after(int count, Duration sample) {
    UsualTime usual;
    for (int i = 0; i < count; ++i) usual.add(sample);
    return usual;
}

TEST(UsualTime, IsUnknownAtFirst) {
    const UsualTime usual;
    EXPECT_FALSE(usual.known());
    EXPECT_GT(usual.late_after(least), least);
}

TEST(UsualTime, OfQuickQueriesIsTheLeast) {
    EXPECT_EQ(after(10, 200us).late_after(least), Duration(least));
    EXPECT_EQ(after(10, 200us).late_after(100ms), Duration(100ms));
}

TEST(UsualTime, OfSlowQueriesIsLonger) {
    for (const int count : {1, 2, 3, 10, 100}) {
        EXPECT_GT(after(count, 3s).late_after(least), 3s) << count;
    }
    EXPECT_LT(after(100, 3s).late_after(least), 4s);
}

TEST(UsualTime, WhereSomeAreSlowTheseAreNotLate) {
    UsualTime usual;
    for (int i = 0; i < 200; ++i) usual.add(i % 5 == 0 ? 2s : Duration(1ms));
    EXPECT_GT(usual.late_after(least), 2s);
}

TEST(UsualTime, OneSlowQueryIsSoonForgotten) {
    auto usual = after(100, 1ms);
    usual.add(3s);
    EXPECT_GT(usual.late_after(least), 1s);
    for (int i = 0; i < 50; ++i) usual.add(1ms);
    EXPECT_EQ(usual.late_after(least), Duration(least));
}

}  // namespace
}  // namespace proxyd::pool
