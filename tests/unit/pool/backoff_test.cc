#include "backends/pool/backoff.h"

#include <gtest/gtest.h>

namespace proxyd::pool {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToTheLongestWithAQuarterOfJitter) {
    std::minstd_rand random(7);
    for (int round = 0; round < 50; ++round) {
        Backoff backoff({10ms, 500ms});
        std::chrono::milliseconds expected = 10ms;
        for (int failure = 0; failure < 100; ++failure) {
            const auto wait = backoff.next(random);
            EXPECT_GE(wait, expected * 3 / 4) << failure;
            EXPECT_LE(wait, expected) << failure;
            expected = std::min<std::chrono::milliseconds>(expected * 2, 500ms);
        }
        EXPECT_EQ(backoff.failures(), 100);
    }
}

TEST(Backoff, StartsAnewAfterSuccess) {
    std::minstd_rand random(7);
    Backoff backoff({1s, 60s});
    for (int i = 0; i < 10; ++i) (void)backoff.next(random);
    backoff.reset();
    EXPECT_LE(backoff.next(random), 1s);
}

TEST(Backoff, DiffersBetweenProcesses) {
    std::minstd_rand one(1);
    std::minstd_rand other(2);
    Backoff first({100ms, 1s});
    Backoff second({100ms, 1s});
    EXPECT_NE(first.next(one), second.next(other));
}

TEST(Backoff, NeverWaitsLongerThanTheLongestEvenAtFirst) {
    std::minstd_rand random(7);
    Backoff backoff({10s, 1s});
    EXPECT_LE(backoff.next(random), 1s);
}

}  // namespace
}  // namespace proxyd::pool
