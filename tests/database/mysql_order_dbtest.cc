// Many lookups over one connection: each gets its own answer and its own error.
#include "tests/database/mysql_scene.h"

namespace proxyd {
namespace {

class MysqlOrder : public MysqlScene {
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

TEST_F(MysqlOrder, EachKeyGetsItsOwnAnswer) {
    settings.pool_size = 1;
    const auto name = table("query = SELECT '%s' FROM DUAL");
    EXPECT_EQ(answer(name, "first"), "first");  // the table is known to be quick from now on
    EXPECT_EQ(all_at_once(name, 200), echoes(200));
    EXPECT_EQ(connections(), 1);
}

TEST_F(MysqlOrder, AnErrorStaysWithItsOwnQuery) {
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

TEST_F(MysqlOrder, LongQueriesAndLongAnswersFitTogether) {
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

TEST_F(MysqlOrder, AConnectionKilledWithManyUnderWayLosesNone) {
    settings.pool_size = 1;
    const auto name = table("query = SELECT '%s' FROM DUAL");
    EXPECT_EQ(answer(name, "first"), "first");
    for (int round = 0; round < 5; ++round) {
        std::vector<std::shared_ptr<Lookup>> lookups;
        for (int i = 0; i < 100; ++i) lookups.push_back(start(name, fmt::format("k{}", i)));
        cut_connections();
        EXPECT_TRUE(run_until([&] {
            return std::all_of(lookups.begin(), lookups.end(),
                               [](const auto& one) { return one->answers > 0; });
        }));
        for (std::size_t i = 0; i < lookups.size(); ++i) EXPECT_EQ(lookups[i]->value, fmt::format("k{}", i));
    }
}

}  // namespace
}  // namespace proxyd
