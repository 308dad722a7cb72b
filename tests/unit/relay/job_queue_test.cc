// The order in which queued requests are sent.
#include "backends/relay/job_queue.h"

#include <gtest/gtest.h>

namespace proxyd::relay {
namespace {

JobPtr job(const std::string& table, std::string_view key = "") {
    protocol::Request request;
    request.table = table;
    request.key = key;
    return std::make_shared<Job>(request, nullptr);
}

TEST(RelayJobQueue, TheOldestIsFirst) {
    JobQueue queue;
    const auto a = job("a"), b = job("b"), again = job("a");
    for (const auto& one : {a, b, again}) queue.push(one);
    EXPECT_EQ(queue.take(3), a);
    EXPECT_EQ(queue.take(2), b);
    queue.released(*a);
    queue.push_again(a);
    EXPECT_EQ(queue.take(2), a);
    EXPECT_EQ(queue.size(), 1U);
    queue.remove(again);
    EXPECT_EQ(queue.size(), 0U);
    EXPECT_EQ(queue.take(5), nullptr);
}

TEST(RelayJobQueue, ATableHasNoMoreConnectionsThanItLeavesFree) {
    for (const std::size_t all : {1U, 2U, 8U, 16U}) {
        JobQueue queue;
        for (int i = 0; i < 20; ++i) queue.push(job("slow"));
        std::size_t taken = 0;
        while (queue.take(all - taken)) ++taken;
        EXPECT_EQ(taken, (all + 1) / 2);
        if (all == 1) continue;
        const auto other = job("other");
        queue.push(other);
        EXPECT_TRUE(queue.has_turn(all - taken));
        EXPECT_EQ(queue.take(all - taken), other);
    }
}

TEST(RelayJobQueue, EmptiesInOrder) {
    JobQueue queue;
    const auto b = job("b"), a = job("a"), c = job("b");
    for (const auto& one : {b, a, c}) queue.push(one);
    EXPECT_EQ(queue.remove_all(), (std::vector{b, a, c}));
    EXPECT_EQ(queue.size(), 0U);
    EXPECT_FALSE(queue.has_turn(5));
}

TEST(RelayJob, KeepsWhatTheClientSent) {
    std::string bytes = "hash:/etc/a long enough table name with a key that is long, too";
    protocol::Request request;
    request.table = std::string_view(bytes).substr(0, 35);
    request.key = std::string_view(bytes).substr(36);
    const Job kept(request, nullptr);
    bytes.assign(bytes.size(), 'x');
    EXPECT_EQ(kept.request.table, "hash:/etc/a long enough table name ");
    EXPECT_EQ(kept.request.key, "ith a key that is long, too");
}

}  // namespace
}  // namespace proxyd::relay
