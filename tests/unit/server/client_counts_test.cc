// Which of several workers leaves the next client to another one.
#include "proxyd/server/client_counts.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace proxyd::server {
namespace {

TEST(ClientCountsTest, TheOnlyOneTakesEveryClient) {
    EXPECT_FALSE(is_above_share(1000, std::array{1000U}));
    EXPECT_FALSE(is_above_share(1000, std::array{1000U, accepts_none, accepts_none}));
}

TEST(ClientCountsTest, ClearlyMoreThanTheOthersIsTooMuch) {
    EXPECT_FALSE(is_above_share(1, std::array{1U, 0U, 0U, 0U}));
    EXPECT_TRUE(is_above_share(2, std::array{2U, 0U, 0U, 0U}));
    EXPECT_FALSE(is_above_share(10, std::array{10U, 10U}));
    EXPECT_FALSE(is_above_share(12, std::array{12U, 10U}));
    EXPECT_TRUE(is_above_share(20, std::array{20U, 10U}));
    EXPECT_FALSE(is_above_share(10, std::array{10U, 20U}));
    EXPECT_FALSE(is_above_share(0, std::array{0U, 0U}));
}

// Somebody always takes the next client at once.
TEST(ClientCountsTest, TheOneWithTheFewestNeverWaits) {
    std::vector<std::uint32_t> counts(4);
    for (int client = 0; client < 1000; ++client) {
        auto& least = *std::min_element(counts.begin(), counts.end());
        ASSERT_FALSE(is_above_share(least, counts));
        // The greediest worker that may take it does so.
        for (auto& count : counts) {
            if (is_above_share(count, counts)) continue;
            ++count;
            break;
        }
        ASSERT_LE(*std::max_element(counts.begin(), counts.end()),
                  3 + static_cast<unsigned>(client) * 5 / 16);
    }
}

TEST(ClientCountsTest, AreSharedWithForkedProcesses) {
    ClientCounts counts(2);
    counts.set(0, 10);
    EXPECT_FALSE(counts.has_more_than_its_share(0)) << "it is alone";
    const pid_t other = fork();
    if (other == 0) {
        counts.set(1, 0);
        _exit(counts.has_more_than_its_share(1) ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(other, &status, 0), other);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(counts.has_more_than_its_share(0));
    counts.leave(1);
    EXPECT_FALSE(counts.has_more_than_its_share(0));
}

}  // namespace
}  // namespace proxyd::server
