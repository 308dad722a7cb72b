// What a trial of a table's query at its database says of the table's file.
#include "proxyd/control/check/database_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::control {
namespace {

using pool::FailureClass;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A database that answers each trial in the same way, once the loop runs.
class FakeRunner final : public table::QueryRunner {
  public:
    FakeRunner(Loop& loop, table::Trial trial) : loop_(loop), trial_(std::move(trial)) {}
    void run(std::shared_ptr<const sql::Key>, Deadline, pool::OutcomeCallback&&) override {}
    void prepare_only(Deadline, table::TrialCallback callback) override {
        loop_.defer([trial = trial_, callback = std::move(callback)] { callback(trial); });
    }

  private:
    Loop& loop_;
    table::Trial trial_;
};

class DatabaseCheckTest : public testing::Test {
  protected:
    // A table whose parameters are these lines of t.cf.
    CheckedTable table(const std::vector<std::string>& lines, table::Trial trial = {}) {
        config::ParameterFile file;
        file.path = "t.cf";
        int line = 0;
        for (const auto& text : lines) {
            const auto equals = text.find(" = ");
            file.parameters[text.substr(0, equals)] = {text.substr(equals + 3), ++line};
        }
        auto parameters = table::TableParameters::from_file(file);
        auto definition = table::read_sql_definition(
            parameters, type.dialect, true, [](const std::string&, std::string&) { return std::nullopt; });
        auto made = std::make_shared<table::SqlTable>(
            loop, "t", std::move(definition.value()), table::TableSettings{},
            std::make_unique<FakeRunner>(loop, std::move(trial)), nullptr, nullptr);
        return {type, main_cf, "mysql:t.cf", "t.cf", std::move(made), std::move(parameters), {}};
    }

    // Whether the table answers, after this trial.
    bool answers(CheckedTable& one, const table::Trial& trial) { return judge_trial(one, trial, findings); }
    // The finding about this failure.
    std::string told(const std::vector<std::string>& lines, const pool::Failure& failure) {
        findings = {};
        auto one = table(lines);
        EXPECT_FALSE(answers(one, {failure, ""}));
        EXPECT_EQ(findings.all().size(), 1U);
        return findings.all().empty() ? "" : format(findings.all()[0]);
    }

    EventLoop loop;
    config::ParameterFile main_cf;
    TableTypeFacts type{"mysql", sql::SqlDialect::mysql, {}, "", false};
    Findings findings;
};

const std::vector<std::string> plain = {"hosts = h", "user = u", "password = p", "dbname = d",
                                        "query = SELECT '%s'"};

TEST_F(DatabaseCheckTest, AFailureIsToldAtTheLineToCorrect) {
    EXPECT_EQ(told(plain, {FailureClass::unreachable, "x"}), "t.cf:1: error: x");
    EXPECT_EQ(told(plain, {FailureClass::query, "x"}), "t.cf:5: error: x");
    EXPECT_EQ(told(plain, {FailureClass::configuration, "x", "dbname"}), "t.cf:4: error: x");
    EXPECT_EQ(told(plain, {FailureClass::configuration, "x", "user"}), "t.cf:2: error: x");
    EXPECT_EQ(told(plain, {FailureClass::configuration, "no password", "user"}),
              "t.cf:3: error: no password");
    EXPECT_EQ(told(plain, {FailureClass::configuration, "x"}), "t.cf: error: x") << "it is not certain";
}

TEST_F(DatabaseCheckTest, ConnectionTextMayHoldTheParameterAtFault) {
    const std::vector<std::string> lines = {"query = SELECT '%s'", "dbname = host=h user=u"};
    EXPECT_EQ(told(lines, {FailureClass::configuration, "x", "user"}), "t.cf:2: error: x");
    EXPECT_EQ(told({"query = SELECT '%s'", "hosts = postgresql://u@h/d"},
                   {FailureClass::configuration, "x", "user"}),
              "t.cf:2: error: x");
}

TEST_F(DatabaseCheckTest, ADatabaseInAFileIsAtFaultItself) {
    type.file_parameter = "dbpath";
    const std::vector<std::string> lines = {"dbpath = /d", "query = SELECT '%s'"};
    EXPECT_EQ(told(lines, {FailureClass::configuration, "x"}), "t.cf:1: error: x");
    EXPECT_EQ(told(lines, {FailureClass::query, "x"}), "t.cf:2: error: x");
}

TEST_F(DatabaseCheckTest, TheDatabaseRefutesDoubts) {
    const auto doubt = [](Gravity gravity, Proof proof) { return Doubt{{"t.cf", 1, gravity, "x"}, proof}; };
    auto one = table(plain);
    const std::vector<Doubt> doubts = {
        doubt(Gravity::error, Proof::none), doubt(Gravity::error, Proof::connection),
        doubt(Gravity::note, Proof::connection), doubt(Gravity::warning, Proof::query)};
    const auto left = [&] {
        std::vector<Gravity> gravities;
        for (const auto& each : one.doubts) gravities.push_back(each.finding.gravity);
        return gravities;
    };
    one.doubts = doubts;
    EXPECT_FALSE(answers(one, {pool::Failure{FailureClass::query, "x"}, ""}));
    EXPECT_EQ(one.doubts.size(), 4U) << "a failure refutes nothing";
    EXPECT_TRUE(answers(one, {{}, "the key is not quoted"}));
    EXPECT_THAT(left(), ElementsAre(Gravity::error, Gravity::warning, Gravity::warning));
    one.doubts = doubts;
    EXPECT_TRUE(answers(one, {}));
    EXPECT_THAT(left(), ElementsAre(Gravity::error, Gravity::warning));
}

TEST_F(DatabaseCheckTest, AQueryThatWasNotTriedIsNoted) {
    auto one = table(plain);
    EXPECT_TRUE(answers(one, {{}, "the key is not quoted"}));
    ASSERT_EQ(findings.all().size(), 1U);
    EXPECT_EQ(format(findings.all()[0]),
              "t.cf:5: note: this query was not tried, as the key is not quoted: the database was only "
              "connected to");
}

TEST_F(DatabaseCheckTest, SeveralStatementsWhereTheServerTakesOne) {
    const auto answers_untried = [this](const std::string& query) {
        auto one = table({"query = " + query});
        return answers(one, {{}, "it is more than one statement"});
    };
    EXPECT_FALSE(answers_untried("SET @a = 1; SELECT '%s'"));
    ASSERT_EQ(findings.all().size(), 1U);
    EXPECT_THAT(format(findings.all()[0]), HasSubstr("t.cf:1: error: the query is more than one statement"));
    EXPECT_TRUE(answers_untried("BEGIN NOT ATOMIC SELECT '%s'; END")) << "it is one, with ';' inside";
    EXPECT_TRUE(answers_untried("SELECT '%s' -- ;\n")) << "the server may see no comment";
    type.takes_several_statements = true;
    EXPECT_TRUE(answers_untried("SET @a = 1; SELECT '%s'"));
}

TEST_F(DatabaseCheckTest, AllTablesThatCanAnswerAreAsked) {
    std::vector<CheckedTable> tables;
    tables.push_back(table(plain));
    tables.push_back(table(plain, {pool::Failure{FailureClass::unreachable, "nobody there"}, ""}));
    tables.push_back(table(plain, {pool::Failure{FailureClass::query, "not asked"}, ""}));
    tables.back().can_answer = false;
    EXPECT_EQ(check_databases(tables, loop, findings), 1U);
    ASSERT_EQ(findings.all().size(), 1U);
    EXPECT_EQ(format(findings.all()[0]), "t.cf:1: error: nobody there");
    tables.clear();
    EXPECT_EQ(check_databases(tables, loop, findings), 0U);
}

}  // namespace
}  // namespace proxyd::control
