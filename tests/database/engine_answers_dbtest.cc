// What tables answer, whichever engine the database has.
#include <gmock/gmock.h>

#include "tests/database/engine_scene.h"

namespace proxyd {
namespace {

using EngineAnswers = EngineScene;

INSTANTIATE_TEST_SUITE_P(Each, EngineAnswers, each_engine(), engine_name);

TEST_P(EngineAnswers, AsTheDatabaseSays) {
    struct Row {
        const char* rest;
        const char* key;
        const char* expected;
    };
    const Row rows[] = {
        {by_address, "alice@example.com", "alice1@dest.example"},
        {by_address, "nobody@example.com", "NOT FOUND"},
        {by_address, "o'brien@example.com", "obrien"},
        {by_address, "back\\slash@example.com", "slashed"},
        {by_address, "per%cent@example.com", "percent"},
        {by_address, "umlaut@example.com", "\xC3\xBCn\xC3\xAF"},
        {by_address, "null@example.com", "NOT FOUND"},
        {by_address, "' OR ''='", "NOT FOUND"},
        {"query = SELECT target FROM alias WHERE address = '%u@%d'", "alice@example.com",
         "alice1@dest.example"},
        {"query = SELECT target FROM alias WHERE address LIKE '%u%%'", "alice@example.com",
         "alice1@dest.example"},
        {"query = SELECT target, number FROM alias WHERE address = '%s'", "alice@example.com",
         "alice1@dest.example,1"},
        {"query = SELECT target FROM alias WHERE number = %s", "1", "alice1@dest.example"},
        {"query = SELECT nothing FROM nowhere", "x", "RETRY"},
        {"query = -- nothing", "x", "RETRY"},
        {"query = SELECT target FROM alias WHERE number > 2 ORDER BY number\nexpansion_limit = 1", "x",
         "RETRY"},
        {"query = SELECT target FROM alias WHERE address = '%s'\nexpansion_limit = 1", "alice@example.com",
         "alice1@dest.example"},
        {"query = SELECT target FROM alias WHERE address = '%s'\nresult_format = <%s>", "alice@example.com",
         "<alice1@dest.example>"},
        {"query = SELECT target FROM alias WHERE address = '%s'\ndomain = example.com", "alice@example.com",
         "alice1@dest.example"},
        {"query = SELECT target FROM alias WHERE address = '%s'\ndomain = example.org", "alice@example.com",
         "NOT FOUND"},
        {"table = alias\nselect_field = target\nwhere_field = address", "alice@example.com",
         "alice1@dest.example"},
        {"table = alias\nselect_field = target\nwhere_field = address\nadditional_conditions = and number > "
         "100",
         "alice@example.com", "NOT FOUND"},
        {"table = alias\nselect_field = target", "alice@example.com", "RETRY"},
    };
    int count = 0;
    for (const bool prepared : {true, false}) {
        settings.prepared_statements = prepared;
        for (const auto& row : rows) {
            const auto name = table(row.rest, fmt::format("row{}.cf", ++count));
            for (int again = 0; again < 2; ++again) {
                EXPECT_EQ(answer(name, row.key), row.expected)
                    << row.rest << " key " << row.key << (prepared ? " prepared" : " not") << " time "
                    << again << "\n";
            }
        }
    }
    EXPECT_GT(connections(), 0);
}

TEST_P(EngineAnswers, CheckedQueriesAreNotRun) {
    const bool pgsql = engine.type == "pgsql";
    const auto count = [this] { return answer(table("query = SELECT count(*) FROM alias"), "x"); };
    const auto before = count();
    EXPECT_EQ(check(table("query = SELECT target FROM alias WHERE address = '%s'", "a.cf")), "fine");
    EXPECT_THAT(check(table("query = SELEC target FROM alias WHERE address = '%s'", "b.cf")),
                testing::HasSubstr(pgsql ? "syntax error" : "You have an error in your SQL syntax"));
    EXPECT_EQ(check(table("query = DELETE FROM alias", "c.cf")), "fine");
    const auto analyzed = check(table("query = ANALYZE DELETE FROM alias", "d.cf"));
    if (pgsql) {
        EXPECT_THAT(analyzed, testing::StartsWith("not tried: "));
    } else {
        EXPECT_EQ(analyzed, "fine");
    }
    EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace proxyd
