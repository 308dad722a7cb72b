#include "backends/event/cpu_contention.h"

#include <gtest/gtest.h>

namespace proxyd {
namespace {

// Of `polls` polls, each `nth` finds the CPU shared. Returns how often contention is reported.
int crowded_times(int polls, int nth, bool in_vain) {
    CpuContention crowding;
    long switches = 0;
    int times = 0;
    for (int poll = 1; poll <= polls; ++poll) {
        if (poll % nth == 0) ++switches;
        if (crowding.add_poll(switches, in_vain)) ++times;
    }
    return times;
}

TEST(CpuContention, IsNoticedWhenEachPollMeetsOthers) {
    CpuContention crowding;
    EXPECT_FALSE(crowding.add_poll(1, true));
    EXPECT_FALSE(crowding.add_poll(2, true));
    EXPECT_FALSE(crowding.add_poll(4, true));
    EXPECT_TRUE(crowding.add_poll(5, true));
    EXPECT_FALSE(crowding.add_poll(6, true)) << "it begins anew";
}

TEST(CpuContention, OnePollInFiveIsTheBorder) {
    EXPECT_GT(crowded_times(1000, 4, true), 0);
    EXPECT_EQ(crowded_times(100'000, 5, true), 0);
    EXPECT_EQ(crowded_times(100'000, 100, true), 0);
}

TEST(CpuContention, APollThatWasNotInVainMeetsNobody) {
    EXPECT_EQ(crowded_times(1000, 1, false), 0);
}

TEST(CpuContention, WhatWasCountedBeforeIsNotCountedAgain) {
    CpuContention crowding;
    for (int poll = 0; poll < 1000; ++poll) EXPECT_FALSE(crowding.add_poll(1'000'000, true));
}

}  // namespace
}  // namespace proxyd
