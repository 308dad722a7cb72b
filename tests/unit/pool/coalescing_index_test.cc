#include "backends/pool/coalescing_index.h"

#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace proxyd::pool {
namespace {

class Lookup final : public Statement {
  public:
    [[nodiscard]] bool exclusive() const override { return false; }
    [[nodiscard]] bool repeatable() const override { return true; }
};

class CoalescingIndexTest : public testing::Test {
  protected:
    std::unique_ptr<Request> request(const std::string& key, const std::string& coalescing_text = "") {
        auto made = std::make_unique<Request>();
        made->query = query(key, coalescing_text);
        return made;
    }
    Query query(const std::string& key, const std::string& coalescing_text = "") {
        return {statement, sql::make_key(key), coalescing_text};
    }

    std::shared_ptr<const Statement> statement = std::make_shared<Lookup>();
    CoalescingIndex index;
};

TEST_F(CoalescingIndexTest, FindsTheSameQueryOfTheSameStatement) {
    EXPECT_EQ(index.find(query("a")), nullptr);
    const auto one = request("a");
    index.add(*one);
    EXPECT_EQ(index.find(query("a")), one.get());
    EXPECT_EQ(index.find(query("b")), nullptr);
    EXPECT_EQ(index.find({std::make_shared<Lookup>(), sql::make_key("a")}), nullptr);
    index.remove(*one);
    EXPECT_EQ(index.find(query("a")), nullptr);
    EXPECT_TRUE(index.empty());
    index.remove(*one);
    EXPECT_TRUE(index.empty());
}

TEST_F(CoalescingIndexTest, TheCoalescingTextTakesThePlaceOfTheKey) {
    const auto one = request("user@example.com", "example.com");
    index.add(*one);
    EXPECT_EQ(index.find(query("other@example.com", "example.com")), one.get());
    EXPECT_EQ(index.find(query("user@example.com")), nullptr);
    index.remove(*one);
}

TEST_F(CoalescingIndexTest, FindsEachOfMany) {
    std::minstd_rand random(1);
    std::vector<std::unique_ptr<Request>> requests;
    for (int i = 0; i < 1000; ++i) requests.push_back(request("key" + std::to_string(i)));
    std::set<std::size_t> present;
    for (int step = 0; step < 20000; ++step) {
        const auto number = random() % requests.size();
        auto& one = *requests[number];
        EXPECT_EQ(index.find(query(one.query.key->text())), present.count(number) > 0 ? &one : nullptr);
        if (present.erase(number) > 0) {
            index.remove(one);
        } else {
            present.insert(number);
            index.add(one);
        }
        ASSERT_EQ(index.empty(), present.empty());
    }
    for (const auto& one : requests) index.remove(*one);
    EXPECT_TRUE(index.empty());
}

TEST(WaiterListTest, KeepsItsWaitersInOrder) {
    WaiterList waiters;
    EXPECT_EQ(waiters.size(), 0U);
    std::string called;
    for (const char name : {'a', 'b', 'c'}) {
        waiters.add(TimePoint{}, Deadline{}, [&called, name](const Outcome&) { called += name; });
    }
    ASSERT_EQ(waiters.size(), 3U);
    for (std::size_t i = 0; i < waiters.size(); ++i) {
        EXPECT_FALSE(waiters.all_answered());
        waiters[i].callback(Outcome{});
        waiters[i].callback = nullptr;
    }
    EXPECT_TRUE(waiters.all_answered());
    EXPECT_EQ(called, "abc");
}

}  // namespace
}  // namespace proxyd::pool
