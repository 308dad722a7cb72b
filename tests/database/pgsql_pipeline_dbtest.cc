// Several queries on their way on one PostgreSQL connection: which of them share a transaction of the server.
#include <set>

#include "tests/database/pgsql_scene.h"

namespace proxyd {
namespace {

class PgsqlPipeline : public PgsqlScene {
  protected:
    void SetUp() override {
        PgsqlScene::SetUp();
        settings.pool_size = 1;
    }

    // Begun at the same time; in their order.
    std::vector<std::shared_ptr<Lookup>> answers(const std::string& table,
                                                 const std::vector<std::string>& keys) {
        std::vector<std::shared_ptr<Lookup>> all;
        for (const auto& key : keys) all.push_back(start(table, key));
        EXPECT_TRUE(run_until([&] {
            return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->answers == 1; });
        }));
        return all;
    }

    static std::vector<std::string> values(const std::vector<std::shared_ptr<Lookup>>& lookups) {
        std::vector<std::string> values;
        for (const auto& one : lookups) values.push_back(shown(*one));
        return values;
    }

    const std::vector<std::string> six = {"k1", "k2", "k3", "k4", "k5", "k6"};
};

// now() is the time when the transaction began.
TEST_F(PgsqlPipeline, LookupsOfOneTableShareOne) {
    const auto name = table("query = SELECT now()::text || 10 / (length('%s') - 3)");
    EXPECT_NE(answer(name, "warm"), "RETRY");
    const auto first = values(answers(name, six));
    EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 1U);
    const auto second = values(answers(name, six));
    EXPECT_EQ(std::set<std::string>(second.begin(), second.end()).size(), 1U);
    EXPECT_NE(second.front(), first.front());
    EXPECT_EQ(answer(name, "bad"), "RETRY");
    const auto alone = values(answers(name, six));
    EXPECT_EQ(std::set<std::string>(alone.begin(), alone.end()).size(), six.size());
}

TEST_F(PgsqlPipeline, AFailedQueryFailsNoneThatSharesItsTransaction) {
    const auto name = table("query = SELECT 10 / (length('%s') - 3)");
    for (const std::size_t place : {0, 3, 6}) {
        tables->reload({{}, {}, [this](table::TableParameters&) { return settings; }});
        EXPECT_EQ(answer(name, "long"), "10");
        auto mixed = six;
        mixed.insert(mixed.begin() + static_cast<std::ptrdiff_t>(place), "bad");
        const auto got = values(answers(name, mixed));
        for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], i == place ? "RETRY" : "-10") << i;
    }
}

TEST_F(PgsqlPipeline, WhatFunctionsHaveWrittenIsKept) {
    admin.sql(
        "CREATE TABLE seen (key text);"
        "CREATE FUNCTION note(key text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
        " IF key = 'bad' THEN RAISE 'bad'; END IF; INSERT INTO seen VALUES (key); RETURN key; END $$",
        dbname);
    const auto name = table("query = SELECT note('%s')");
    EXPECT_EQ(answer(name, "warm"), "warm");
    EXPECT_EQ(values(answers(name, {"a", "b", "bad", "c"})),
              (std::vector<std::string>{"a", "b", "RETRY", "c"}));
    EXPECT_EQ(admin.sql("SELECT string_agg(key, ' ' ORDER BY key) FROM seen", dbname), "a b c warm");
}

// The first of them waits for the last: two tables never wait for each other in this way.
TEST_F(PgsqlPipeline, TablesShareNone) {
    const auto one = table("query = SELECT now()::text WHERE '%s' <> ''", "one.cf");
    const auto other = table("query = SELECT now()::text WHERE '%s' > ''", "other.cf");
    (void)answer(one, "warm");
    (void)answer(other, "warm");
    const auto first = start(one, "x");
    const auto second = start(other, "x");
    EXPECT_TRUE(run_until([&] { return first->answers + second->answers == 2; }));
    EXPECT_NE(first->value, second->value);
}

}  // namespace
}  // namespace proxyd
