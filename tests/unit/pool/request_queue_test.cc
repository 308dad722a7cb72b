#include "backends/pool/request_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::pool {
namespace {

using testing::ElementsAre;

class Reading final : public Statement {
  public:
    [[nodiscard]] bool exclusive() const override { return false; }
    [[nodiscard]] bool repeatable() const override { return true; }
};

class RequestQueueTest : public testing::Test {
  protected:
    std::shared_ptr<Request> request(const std::string& key) {
        auto made = std::make_shared<Request>();
        made->query = {statement, sql::make_key(key)};
        return made;
    }
    void ask(const std::shared_ptr<TableQueue>& table, const std::string& key) {
        queue.push_back(table, request(key));
    }
    // The keys in the order in which the rounds serve them.
    std::vector<std::string> served() {
        std::vector<std::string> keys;
        const auto take = [&](const auto& table) {
            keys.push_back(table->waiting.front()->query.key->text());
            queue.take(*table, 0);
            return true;
        };
        while (queue.round(take)) {
        }
        return keys;
    }

    std::shared_ptr<const Statement> statement = std::make_shared<Reading>();
    RequestQueue queue;
    std::shared_ptr<TableQueue> one = RequestQueue::make("one");
    std::shared_ptr<TableQueue> two = RequestQueue::make("two");
};

TEST_F(RequestQueueTest, TablesAreServedInTurnHoweverManyRequestsOneOfThemHas) {
    for (const auto* key : {"a", "b", "c"}) ask(one, key);
    ask(two, "x");
    EXPECT_EQ(queue.waiting(), 4U);
    EXPECT_THAT(served(), ElementsAre("a", "x", "b", "c"));
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_TRUE(queue.busy().empty());
}

TEST_F(RequestQueueTest, ARoundBeginsAfterTheTableThatWasServedLast) {
    ask(one, "a");
    ask(two, "x");
    (void)queue.round([&](const auto& table) {
        if (table != one) return false;
        queue.take(*table, 0);
        return true;
    });
    ask(one, "b");
    EXPECT_THAT(served(), ElementsAre("x", "b"));
}

TEST_F(RequestQueueTest, AWaitingRequestIsSharedUntilItIsTaken) {
    ask(one, "a");
    const Query again{statement, sql::make_key("a")};
    EXPECT_EQ(one->shareable.find(again), one->waiting.front().get());
    EXPECT_EQ(one->shareable.find({statement, sql::make_key("b")}), nullptr);
    EXPECT_EQ(two->shareable.find(again), nullptr);
    EXPECT_EQ(one->shareable.find({std::make_shared<Reading>(), sql::make_key("a")}), nullptr)
        << "another version";
    queue.take(*one, 0);
    EXPECT_EQ(one->shareable.find(again), nullptr);
}

TEST_F(RequestQueueTest, WhatWasSentWaitsAgainBeforeTheOthersOfItsTable) {
    ask(one, "a");
    queue.push_front(one, request("b"));
    EXPECT_THAT(served(), ElementsAre("b", "a"));
}

TEST_F(RequestQueueTest, WhatAHostHasRefusedHoldsUpNoOtherRequestOfItsTable) {
    ask(one, "a");
    auto refused = request("b");
    refused->failed_hosts = {0};
    queue.push_front(one, std::move(refused));
    EXPECT_EQ(one->waiting.size(), 1U);
    ASSERT_NE(one->failover_queue, nullptr);
    EXPECT_TRUE(one->failover_queue->is_failover);
    EXPECT_THAT(served(), ElementsAre("a", "b"));
}

TEST_F(RequestQueueTest, AllAreTakenAtOnce) {
    ask(one, "a");
    ask(two, "x");
    const auto all = queue.take_all();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0]->query.key->text(), "a");
    EXPECT_EQ(all[1]->query.key->text(), "x");
    EXPECT_EQ(queue.waiting(), 0U);
    EXPECT_TRUE(queue.busy().empty());
    EXPECT_EQ(one->shareable.find({statement, sql::make_key("a")}), nullptr);
    ask(one, "b");
    EXPECT_THAT(served(), ElementsAre("b"));
}

}  // namespace
}  // namespace proxyd::pool
