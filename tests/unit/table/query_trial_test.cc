#include "backends/table/query_trial.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::table {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NoRows final : public pool::Rows {
  public:
    std::size_t rows() const override { return 0; }
    std::size_t columns() const override { return 0; }
    std::optional<std::string_view> cell(std::size_t, std::size_t) const override { return std::nullopt; }
};

// Tries a plan on a server that fails for the texts in the map and accepts all others.
Trial trial(TrialPlan plan, std::map<std::string, pool::Failure> failures) {
    std::optional<Trial> result;
    try_query(
        std::move(plan),
        [&](const std::string& text, const pool::OutcomeCallback& callback) {
            const NoRows rows;
            const auto found = failures.find(text);
            callback(found == failures.end() ? pool::Outcome{&rows, {}}
                                             : pool::Outcome{nullptr, found->second});
        },
        [&](const Trial& got) { result = got; });
    EXPECT_TRUE(result.has_value());
    return result.value_or(Trial{});
}

const pool::Failure mistake{pool::FailureClass::query, "no such column"};

TrialPlan plan(std::vector<std::string> texts, bool reads = true) {
    TrialPlan made;
    made.texts = std::move(texts);
    made.control = "control";
    made.only_connect = "connect";
    made.reads = reads;
    return made;
}

TEST(QueryTrial, WhatTheServerTakesIsRight) {
    const auto result = trial(plan({"a", "b"}), {});
    EXPECT_FALSE(result.failure);
    EXPECT_EQ(result.not_tried, "");
}

TEST(QueryTrial, AMistakeIsOneWhateverTheKey) {
    const auto result = trial(plan({"a", "b"}), {{"a", mistake}, {"b", mistake}});
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failure->message, "no such column");
}

TEST(QueryTrial, AMadeUpKeyIsNotTheFaultOfTheTable) {
    EXPECT_FALSE(trial(plan({"a", "b"}), {{"a", mistake}}).failure);
    const auto result = trial(plan({"a", "b"}), {{"a", {pool::FailureClass::query, "no address: a"}},
                                                 {"b", {pool::FailureClass::query, "no address: b"}}});
    EXPECT_FALSE(result.failure);
    EXPECT_THAT(result.not_tried, HasSubstr("no address: a"));
}

TEST(QueryTrial, AServerThatPreparesNothingRefusesNoTable) {
    const auto result = trial(plan({"a"}), {{"a", mistake}, {"control", mistake}});
    EXPECT_FALSE(result.failure);
    EXPECT_THAT(result.not_tried, HasSubstr("does not prepare"));
}

TEST(QueryTrial, WhatWritesNeedNotBePrepared) {
    EXPECT_FALSE(trial(plan({"a"}, false), {{"a", mistake}}).failure);
    EXPECT_NE(trial(plan({"a"}, false), {{"a", mistake}}).not_tried, "");
}

TEST(QueryTrial, ADatabaseThatIsDownIsNotTheQuerysFault) {
    const auto result = trial(plan({"a"}), {{"a", {pool::FailureClass::unreachable, "refused"}}});
    ASSERT_TRUE(result.failure);
    EXPECT_EQ(result.failure->kind, pool::FailureClass::unreachable);
    auto untried = plan({});
    untried.why_not_tried = "it is strange";
    EXPECT_TRUE(trial(untried, {{"connect", {pool::FailureClass::unreachable, "refused"}}}).failure);
    EXPECT_EQ(trial(untried, {}).not_tried, "it is strange");
}

TrialPlan planned(const std::string& text, sql::SqlDialect dialect = sql::SqlDialect::pgsql) {
    std::string error;
    const auto query = *sql::parse_template(text, error);
    return plan_trial(query, sql::analyse(query, dialect));
}

TEST(QueryTrial, HoldsNoKeyWhereThereArePlaceholders) {
    EXPECT_THAT(planned("SELECT a FROM t WHERE b = '%s'").texts, ElementsAre("SELECT a FROM t WHERE b = $1"));
    EXPECT_THAT(planned("SELECT a FROM t WHERE b LIKE '%s'").texts, testing::SizeIs(2));
    EXPECT_THAT(planned("SELECT a FROM t WHERE b = %s").texts, IsEmpty());
    EXPECT_THAT(planned("SELECT 1; SELECT '%s'").texts, IsEmpty());
    EXPECT_THAT(planned("SELECT a FROM t WHERE b LIKE '%9'").texts, testing::Each(HasSubstr("'a'")));
    EXPECT_FALSE(planned("INSERT INTO t VALUES ('%s')").reads);
    EXPECT_EQ(without_made_up_key("near 'check@x'"), without_made_up_key("near 'other@x'"));
}

}  // namespace
}  // namespace proxyd::table
