#include "tests/bench/latency_histogram.h"

#include <gtest/gtest.h>

namespace proxyd::bench {
namespace {

using std::chrono::nanoseconds;

TEST(LatencyHistogram, nothing) {
    EXPECT_EQ(LatencyHistogram{}.percentile(0.5), nanoseconds{0});
}

TEST(LatencyHistogram, percentiles_of_1_to_1000_microseconds) {
    LatencyHistogram histogram;
    for (int us = 1000; us >= 1; --us) {
        histogram.add(nanoseconds{us * 1000});
    }
    EXPECT_EQ(histogram.total(), 1000U);
    EXPECT_EQ(histogram.max(), nanoseconds{1000000});
    EXPECT_EQ(histogram.percentile(1), histogram.max());
    EXPECT_NEAR(static_cast<double>(histogram.percentile(0.5).count()), 501e3, 501e3 / 128);
    EXPECT_NEAR(static_cast<double>(histogram.percentile(0.99).count()), 991e3, 991e3 / 128);
}

TEST(LatencyHistogram, any_single_value_comes_back) {
    for (std::int64_t ns = 0; ns < 10'000'000'000; ns = ns * 5 / 4 + 1) {
        LatencyHistogram histogram;
        histogram.add(nanoseconds{ns});
        histogram.add(nanoseconds{20'000'000'000});
        const auto found = histogram.percentile(0.1).count();
        EXPECT_GE(found, ns);
        EXPECT_LE(found, ns + ns / 128);
    }
}

}  // namespace
}  // namespace proxyd::bench
