// The log lines of a table about its answers, however large key and answer are.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "backends/pool/row_buffer.h"
#include "backends/report/excerpt.h"
#include "backends/report/log.h"
#include "backends/table/sql_table.h"
#include "tests/unit/event/fake_loop.h"

namespace proxyd::table {
namespace {

using protocol::Status;

class LinesLog final : public Log {
  public:
    LinesLog() { set_log(*this); }
    void write(Severity, std::string_view, std::string_view text) override { lines.emplace_back(text); }
    std::vector<std::string> lines;
};

// Returns the given answers, one in each row.
class GivenRunner final : public QueryRunner {
  public:
    explicit GivenRunner(const std::vector<std::string>& values) {
        rows_.begin(1, pool::no_answer_limit);
        for (const auto& value : values) EXPECT_TRUE(rows_.add(value));
    }
    void run(std::shared_ptr<const sql::Key>, Deadline, pool::OutcomeCallback&& callback) override {
        callback({&rows_, {}});
    }
    void prepare_only(Deadline, TrialCallback) override {}

  private:
    pool::RowBuffer rows_;
};

class SqlTableLog : public testing::Test {
  protected:
    LookupResult answer(const std::string& key, const std::vector<std::string>& values,
                        int expansion_limit = 0) {
        std::string error;
        SqlDefinition definition;
        definition.query = sql::parse_template("SELECT '%s'", error).value();
        definition.result_format = sql::parse_template("%s", error).value();
        definition.expansion_limit = expansion_limit;
        const auto table = std::make_shared<SqlTable>(loop, "sql:t", definition, TableSettings{},
                                                      std::make_unique<GivenRunner>(values), NestedLookup{},
                                                      [](std::size_t) { return true; });
        LookupResult got;
        table->lookup(key, {true, false}, Deadline{loop.now() + std::chrono::seconds(10)},
                      [&got](const LookupResult& result) { got = result; });
        return got;
    }

    LinesLog log;
    FakeLoop loop;
};

TEST_F(SqlTableLog, EmptyValuesAreToldOnceForAnAnswer) {
    EXPECT_EQ(answer("k", {"a", "", "b"}).value, "a,b");
    EXPECT_EQ(answer("k", std::vector<std::string>(5000)).status, Status::nokey);
    EXPECT_EQ(answer("k", {"", "", "a", "b"}, 1).status, Status::retry);
    EXPECT_EQ(log.lines, (std::vector<std::string>{
                             "table \"sql:t\": empty lookup result for: \"k\" -- ignored",
                             "table \"sql:t\": empty lookup result for: \"k\" -- ignored, 5000 of them",
                             "table \"sql:t\": empty lookup result for: \"k\" -- ignored, 2 of them",
                             "table sql:t: Expansion limit exceeded for key: 'k'",
                         }));
}

TEST_F(SqlTableLog, OfALongKeyOnlyTheBeginningIsShown) {
    const std::string key(100000, 'k');
    (void)answer(key, {"", "a"});
    (void)answer(key, {"a", "b"}, 1);
    (void)answer(key, {"\xff"});
    (void)answer(key + "\xff", {"a"});
    ASSERT_EQ(log.lines.size(), 4U);
    for (const auto& line : log.lines) {
        EXPECT_LT(line.size(), 400U) << line;
        EXPECT_NE(line.find("kkk..."), std::string::npos) << line;
    }
}

TEST(Excerpt, DoesNotEndWithinACharacter) {
    EXPECT_EQ(excerpt("short"), "short");
    EXPECT_EQ(excerpt("abcdef", 6), "abcdef");
    EXPECT_EQ(excerpt("abcdefg", 6), "abcdef...");
    EXPECT_EQ(excerpt("abc\u20acd", 5), "abc...");
    EXPECT_EQ(excerpt("abc\u20acd", 6), "abc\u20ac...");
    EXPECT_EQ(excerpt(std::string(20, '\x80'), 10).size(), 7U + 3U);
}

}  // namespace
}  // namespace proxyd::table
