// Queries that are sent ahead: each keeps its own answer and its own error, and a middle man that cannot do
// it is noticed.
#include "tests/database/mysql_scene.h"
#include "tests/database/one_at_a_time_proxy.h"

namespace proxyd {
namespace {

class MysqlPipeline : public MysqlScene {
  protected:
    // Asks for keys 0 to count-1 at once; returns the answers in this order, "RETRY" for those that failed.
    std::vector<std::string> all_at_once(const std::string& name, int count) {
        std::vector<std::shared_ptr<Lookup>> lookups;
        for (int i = 0; i < count; ++i) lookups.push_back(start(name, fmt::format("k{}", i)));
        EXPECT_TRUE(run_until([&] {
            return std::all_of(lookups.begin(), lookups.end(),
                               [](const auto& one) { return one->answers > 0; });
        }));
        std::vector<std::string> answers;
        for (const auto& one : lookups) {
            EXPECT_EQ(one->answers, 1);
            answers.push_back(one->status == Status::ok ? one->value : "RETRY");
        }
        return answers;
    }
    static std::vector<std::string> echoes(int count) {
        std::vector<std::string> answers;
        for (int i = 0; i < count; ++i) answers.push_back(fmt::format("k{}", i));
        return answers;
    }
};

TEST_F(MysqlPipeline, QueriesGoAheadOfAnswersOnOneConnection) {
    settings.pool_size = 1;
    const auto name = table("query = SELECT '%s' FROM DUAL");
    EXPECT_EQ(answer(name, "first"), "first");  // the table is known to be quick from now on
    EXPECT_EQ(all_at_once(name, 200), echoes(200));
    EXPECT_EQ(connections(), 1);
}

TEST_F(MysqlPipeline, AnErrorStaysWithItsOwnQuery) {
    settings.pool_size = 1;
    // More than one row for a subquery is an error of that key alone.
    const auto name = table(
        "query = SELECT '%s' FROM DUAL WHERE 1 = (SELECT 1 FROM alias WHERE '%s' LIKE '%%7' OR id = 1)");
    EXPECT_EQ(answer(name, "first"), "first") << recorded.text();
    auto expected = echoes(60);
    for (std::size_t i = 7; i < expected.size(); i += 10) expected[i] = "RETRY";
    EXPECT_EQ(all_at_once(name, 60), expected);
    EXPECT_EQ(answer(name, "last"), "last");
    EXPECT_EQ(connections(), 1);
}

TEST_F(MysqlPipeline, LongQueriesAndLongAnswersFitTogether) {
    settings.pool_size = 1;
    const auto name = table("query = SELECT CONCAT('%s', REPEAT('x', 100000)) FROM DUAL");
    EXPECT_EQ(ask(name, "first").status, Status::ok);
    const std::string padding(2000, 'p');
    std::vector<std::shared_ptr<Lookup>> lookups;
    for (int i = 0; i < 100; ++i) lookups.push_back(start(name, fmt::format("{}-{}", padding, i)));
    EXPECT_TRUE(run_until([&] {
        return std::all_of(lookups.begin(), lookups.end(), [](const auto& one) { return one->answers > 0; });
    }));
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(lookups[static_cast<std::size_t>(i)]->value.substr(0, 2004).starts_with(
                      fmt::format("{}-{}x", padding, i)),
                  true);
}

TEST_F(MysqlPipeline, AConnectionKilledWithManyUnderWayLosesNone) {
    settings.pool_size = 1;
    const auto name = table("query = SELECT '%s' FROM DUAL");
    EXPECT_EQ(answer(name, "first"), "first");
    for (int round = 0; round < 5; ++round) {
        std::vector<std::shared_ptr<Lookup>> lookups;
        for (int i = 0; i < 100; ++i) lookups.push_back(start(name, fmt::format("k{}", i)));
        kill();
        EXPECT_TRUE(run_until([&] {
            return std::all_of(lookups.begin(), lookups.end(),
                               [](const auto& one) { return one->answers > 0; });
        }));
        for (std::size_t i = 0; i < lookups.size(); ++i) EXPECT_EQ(lookups[i]->value, fmt::format("k{}", i));
    }
}

// It throws away what comes while the server is busy. Were queries sent ahead through it, answers would be
// missing or would be given to the wrong questions.
TEST_F(MysqlPipeline, AMiddleManThatTakesOneQueryAtATimeIsNoticed) {
    settings.pool_size = 2;
    const OneAtATimeProxy proxy(static_cast<std::uint16_t>(std::stoi(admin.port)));
    const auto name = table_at("127.0.0.1:" + proxy.port(), "query = SELECT '%s' FROM DUAL");
    EXPECT_EQ(answer(name, "first"), "first") << recorded.text();
    EXPECT_EQ(logged("does not answer queries that are sent ahead"), 1U);
    EXPECT_EQ(all_at_once(name, 60), echoes(60));
    EXPECT_EQ(logged("does not answer queries that are sent ahead"), 1U);
}

TEST_F(MysqlPipeline, DepthOneSendsNothingAhead) {
    settings.pool_size = 2;
    settings.pipeline_depth = 1;
    const OneAtATimeProxy proxy(static_cast<std::uint16_t>(std::stoi(admin.port)));
    const auto name = table_at("127.0.0.1:" + proxy.port(), "query = SELECT '%s' FROM DUAL");
    EXPECT_EQ(all_at_once(name, 60), echoes(60));
    EXPECT_EQ(logged("does not answer queries that are sent ahead"), 0U);
    EXPECT_EQ(proxy.thrown_away(), 0U);
}

}  // namespace
}  // namespace proxyd
