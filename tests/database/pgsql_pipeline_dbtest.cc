// Several queries on their way on one PostgreSQL connection: which of them share a transaction of the server.
#include <random>
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

    std::vector<std::shared_ptr<Lookup>> begin(const std::string& name, const std::vector<std::string>& of) {
        std::vector<std::shared_ptr<Lookup>> all;
        for (const auto& key : of) all.push_back(start(name, key));
        return all;
    }

    // Begun at the same time; in their order.
    std::vector<std::shared_ptr<Lookup>> answers(const std::string& table,
                                                 const std::vector<std::string>& keys) {
        auto all = begin(table, keys);
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

    // One that is known to answer quickly.
    std::string table_with_a_slow_key() {
        admin.sql(
            "CREATE TABLE sleeper (key text, seconds int);"
            "INSERT INTO sleeper SELECT 'quick' || n, 0 FROM generate_series(1, 6) AS n;"
            "INSERT INTO sleeper VALUES ('slow', 3);"
            "CREATE VIEW asleep AS SELECT key, CASE seconds WHEN 0 THEN key ELSE"
            " (SELECT 'rested' FROM pg_sleep(seconds)) END AS value FROM sleeper",
            dbname);
        auto name = table("query = SELECT value FROM asleep WHERE key = '%s'");
        for (int i = 0; i < 40; ++i) EXPECT_EQ(answer(name, "quick1"), "quick1");
        return name;
    }

    void ask_beside_the_slow_key(const std::string& name) {
        const auto all = begin(name, {"quick2", "quick3", "quick4", "slow", "quick5", "quick6"});
        const auto& slow = *all[3];
        const auto quick_ones_answered = [&] {
            return std::all_of(all.begin(), all.end(),
                               [&](const auto& one) { return one.get() == &slow || one->answers == 1; });
        };
        EXPECT_TRUE(run_until(quick_ones_answered, 2s));
        EXPECT_EQ(slow.answers, 0);
        EXPECT_TRUE(run_until([&] { return slow.answers == 1; }));
        EXPECT_EQ(values(all),
                  (std::vector<std::string>{"quick2", "quick3", "quick4", "rested", "quick5", "quick6"}));
    }

    const std::vector<std::string> six = {"k1", "k2", "k3", "k4", "k5", "k6"};
};

class PgsqlBreak : public PgsqlPipeline, public testing::WithParamInterface<int> {};

// now() is the time when the transaction began. In a larger pool brief queries share one; where they are not
// as brief on this machine none does.
TEST_F(PgsqlPipeline, LookupsOfOneTableShareOne) {
    settings.pool_size = 8;
    const auto name = table("query = SELECT now()::text || 10 / (length('%s') - 3)");
    const auto transactions = [&] {
        const auto got = values(answers(name, six));
        return std::set<std::string>(got.begin(), got.end()).size();
    };
    const auto warm_up = [&] {
        for (int i = 0; i < 40; ++i) EXPECT_NE(answer(name, "warm"), "RETRY");
    };
    bool shared = false;
    for (int turn = 0; turn < 20 && !shared; ++turn) {
        warm_up();
        shared = transactions() < six.size();
    }
    EXPECT_TRUE(shared);
    EXPECT_EQ(answer(name, "bad"), "RETRY");
    EXPECT_EQ(transactions(), six.size());
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

TEST_F(PgsqlPipeline, AQuickKeyDoesNotWaitForASlowOneOfItsTable) {
    settings.pool_size = 4;
    const auto name = table_with_a_slow_key();
    for (int turn = 0; turn < 2; ++turn) ask_beside_the_slow_key(name);
}

// In a larger pool the answers of brief queries come together, until one of them is late.
TEST_F(PgsqlPipeline, WhatALateAnswerHoldsUpIsAskedAgain) {
    settings.pool_size = 8;
    const auto name = table_with_a_slow_key();
    for (int turn = 0; turn < 2; ++turn) ask_beside_the_slow_key(name);
}

// libpq 15 may take the description of an answer's rows for an answer without rows when the connection
// breaks.
TEST_P(PgsqlBreak, WhatItLeavesOfAnAnswerIsNoAnswer) {
    settings.pool_size = GetParam();
    admin.sql(
        "CREATE TABLE box (key text PRIMARY KEY, value text);"
        "INSERT INTO box SELECT 'k' || n, 'v' || n FROM generate_series(1, 40) AS n;"
        "INSERT INTO box SELECT 'end' || n, 'v' FROM generate_series(1, 4) AS n;"
        "CREATE VIEW ending AS SELECT key, value || CASE WHEN key LIKE 'end%' THEN"
        " left(pg_terminate_backend(pg_backend_pid())::text, 0) ELSE '' END AS value FROM box",
        dbname);
    for (unsigned round = 0; round < 10; ++round) {
        const auto name =
            table(fmt::format("query = SELECT value FROM ending WHERE key = '%s' /* {} */", round),
                  fmt::format("{}.cf", round));
        std::vector<std::string> keys;
        for (int n = 1; n <= 40; ++n) keys.push_back(fmt::format("k{}", n));
        for (int n = 0; n < 4; ++n) (void)answers(name, keys);
        for (int n = 1; n <= 4; ++n) keys.push_back(fmt::format("end{}", n));
        std::shuffle(keys.begin(), keys.end(), std::minstd_rand(round));
        const auto got = values(answers(name, keys));
        for (std::size_t i = 0; i < keys.size(); ++i)
            EXPECT_TRUE(got[i] == "RETRY" || (keys[i][0] == 'k' && got[i] == "v" + keys[i].substr(1)))
                << keys[i] << ": " << got[i];
    }
}

// Whether the answers come one by one or together.
INSTANTIATE_TEST_SUITE_P(PoolSizes, PgsqlBreak, testing::Values(6, 8),
                         [](const auto& one) { return std::to_string(one.param); });

// Codes by which this side notices that a plan is stale or a pooler in between: here they mean nothing of it.
TEST_F(PgsqlPipeline, CodesThatAQueryRaisesAreNoErrorsOfTheConnection) {
    admin.sql(
        "CREATE FUNCTION raise(code text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
        " IF code = 'fine' THEN RETURN code; END IF; RAISE 'raised' USING ERRCODE = code; END $$",
        dbname);
    const auto name = table("query = SELECT raise('%s')");
    const auto process = table("query = SELECT pg_backend_pid()::text WHERE '%s' <> ''", "p.cf");
    EXPECT_EQ(answer(name, "fine"), "fine");
    const auto before = answer(process, "x");
    for (const char* code : {"0A000", "26000", "42P05"}) EXPECT_EQ(answer(name, code), "RETRY") << code;
    EXPECT_EQ(answer(name, "fine"), "fine");
    EXPECT_EQ(answer(process, "y"), before);
    EXPECT_NE(
        answer(table("query = SELECT count(*)::text FROM pg_prepared_statements WHERE '%s' <> ''", "c.cf"),
               "x"),
        "0");
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
