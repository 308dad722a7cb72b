// What one lookup leaves behind on the server reaches no other, whichever engine the database has.
#include <set>

#include "tests/database/engine_scene.h"

namespace proxyd {
namespace {

class EngineState : public EngineScene {
  protected:
    // Asks `first`, and while it is under way and from inside its answer `second`; returns both answers of
    // that.
    std::vector<std::string> behind(const std::string& first, const std::string& second) {
        std::shared_ptr<Lookup> waiting;
        std::shared_ptr<Lookup> next;
        bool answered = false;
        tables->lookup(first, "x", {false, false}, [&](const table::LookupResult&) {
            answered = true;
            next = start(second, "y");
        });
        waiting = start(second, "x");
        EXPECT_TRUE(run_until([&] { return answered && waiting->answers + next->answers == 2; }));
        return {waiting->value, next->value};
    }
    // A table whose query leaves something, and need not answer.
    std::string table_that_leaves(const std::string& query, int number) {
        return table((engine.type == "mysql" ? "require_result_set = no\nquery = " : "query = ") + query,
                     fmt::format("l{}.cf", number));
    }
};

INSTANTIATE_TEST_SUITE_P(Each, EngineState, each_engine(), engine_name);

struct Leftover {
    std::vector<std::string> before;   // the administrator's
    std::string clean;                 // asks what is left
    std::string nothing;               // its answer
    std::vector<std::string> leaving;  // queries
};

TEST_P(EngineState, ASettingOrATransactionIsSeenByNoOtherTable) {
    const Leftover of_pgsql{
        {},
        "SELECT current_setting('application_name')",
        "proxyd",
        {"SET application_name = 'left'", "SET application_name = 'left'; SELECT '%s'",
         "SELECT '%s'; SET application_name = 'left'", "BEGIN; SET LOCAL application_name = 'left'",
         "BEGIN; SET LOCAL application_name = 'left'; SELECT '%s'",
         "SELECT set_config('application_name', 'left', false); SELECT '%s'",
         "DO $$ BEGIN SET application_name = 'left'; END $$"}};
    const Leftover of_mysql{{"CREATE PROCEDURE sets(k text) BEGIN SET @left = k; SELECT k; END"},
                            "SELECT CONCAT(COALESCE(@left, 'clean'), @@in_transaction)",
                            "clean0",
                            {"SET @left = '%s'", "CALL sets('%s')", "BEGIN", "SET autocommit = 0",
                             "SELECT '%s' INTO @left", "SELECT number INTO @left FROM alias LIMIT 1",
                             "UPDATE alias SET number = (@left := 1) WHERE address = '%s'"}};
    const auto& row = engine.type == "pgsql" ? of_pgsql : of_mysql;
    settings.pool_size = 1;
    engine.each(row.before, dbname);
    const auto clean = table("query = " + row.clean, "clean.cf");
    const std::vector<std::string> nothing(2, row.nothing);
    int count = 0;
    for (const auto& query : row.leaving) {
        EXPECT_EQ(behind(table_that_leaves(query, ++count), clean), nothing) << query;
        EXPECT_EQ(answer(clean, "later"), row.nothing) << query;
    }
}

// The character set is also that of a library that quotes keys by it.
TEST_P(EngineState, NothingStaysInASessionThatIsKept) {
    const std::string key = "\xc3\xbc@example.com";
    const Leftover of_pgsql{
        {"CREATE PROCEDURE leave(a text) LANGUAGE plpgsql AS "
         "$$ BEGIN PERFORM pg_advisory_lock(7); SET application_name = 'left'; END $$"},
        "SELECT concat_ws(' ', pg_backend_pid(), current_setting('application_name'),"
        " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), to_regclass('pg_temp.rest'),"
        " (SELECT count(*) FROM pg_cursors WHERE is_holdable), (SELECT count(*) FROM "
        "pg_listening_channels()),"
        " current_setting('client_encoding'), current_setting('standard_conforming_strings'), '%s')",
        " proxyd 0 0 0 UTF8 on " + key,
        {"SET application_name = 'left'", "SELECT 1 AS a INTO TEMP rest", "BEGIN; SELECT '%s'",
         "BEGIN; SELECT 1 / 0", "CREATE TEMP TABLE rest (a int); SELECT '%s'", "LISTEN news",
         "SELECT pg_advisory_lock(42), '%s'", "SELECT set_config('application_name', '%s', false)",
         "BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT 1; COMMIT; SELECT '%s'",
         "SET client_encoding = 'LATIN1'; SELECT '%s'",
         "SELECT set_config('standard_conforming_strings', 'off', false), '%s'", "CALL leave('%s')"}};
    const Leftover of_mysql{
        {"CREATE PROCEDURE sets() BEGIN SET @left = 1, sql_mode = ''; SELECT GET_LOCK('left', 1); END"},
        "SELECT CONCAT_WS(' ', CONNECTION_ID(), @@collation_connection, @@max_statement_time, @@sql_mode, "
        "@@autocommit, @@in_transaction, DATABASE(), (SELECT COUNT(*) FROM alias), "
        "COALESCE(@left, 'clean'), @@character_set_client, COALESCE(IS_USED_LOCK('left'), 'free'), "
        "HEX('%s'))",
        " clean utf8mb4 free C3BC406578616D706C652E636F6D",
        {"SET @left = '%s'", "SET NAMES latin1", "SET sql_mode = 'ANSI_QUOTES'", "SET max_statement_time = 1",
         "CALL sets()", "SELECT GET_LOCK('left', 1), '%s'", "SELECT @left := '%s'", "BEGIN",
         "SET autocommit = 0", "CREATE TEMPORARY TABLE alias (address text)", "LOCK TABLES alias WRITE",
         "USE information_schema", "HANDLER alias OPEN", "SELECT LAST_INSERT_ID(7), '%s'"}};
    const auto& row = engine.type == "pgsql" ? of_pgsql : of_mysql;
    settings.pool_size = 1;
    engine.each(row.before, dbname);
    const auto clean = table("query = " + row.clean, "clean.cf");
    const auto before = answer(clean, key);
    EXPECT_TRUE(before.ends_with(row.nothing)) << before;
    int count = 0;
    for (const auto& query : row.leaving) {
        (void)answer(table_that_leaves(query, ++count), "x");
        EXPECT_EQ(answer(clean, key), before) << query;
    }
    EXPECT_EQ(connections(), 1);
    EXPECT_EQ(logged("reset"), 0U) << recorded.text();
}

TEST_P(EngineState, LookupsThatWriteKeepTheirConnection) {
    struct Writing {
        std::vector<std::string> before;  // the administrator's
        std::string changing;             // how those begin that may leave something in their session
        std::vector<std::string> queries;
    };
    const Writing of_pgsql{
        {"CREATE TABLE log (key text, session int)", "CREATE TABLE sessions (session int)"},
        "SET",
        {"INSERT INTO log VALUES ('%s', pg_backend_pid()) RETURNING session",
         "WITH w AS (INSERT INTO log VALUES ('%s', pg_backend_pid()) RETURNING session) SELECT session FROM "
         "w",
         "SET application_name = 'left'; SELECT pg_backend_pid() WHERE '%s' <> ''"}};
    const Writing of_mysql{
        {"CREATE TABLE log (k text, session int)",
         "CREATE PROCEDURE says(k text) SELECT CONNECTION_ID() WHERE k <> ''"},
        "CALL",
        {"INSERT INTO log VALUES ('%s', CONNECTION_ID()) RETURNING session", "CALL says('%s')"}};
    const auto& row = engine.type == "pgsql" ? of_pgsql : of_mysql;
    engine.each(row.before, dbname);
    for (const auto& query : row.queries) {
        const auto name = table("query = " + query);
        reload();
        std::set<std::string> sessions;
        for (int i = 0; i < 50; ++i) sessions.insert(answer(name, fmt::format("k{}", i)));
        // A server that is slow to clean up may have seen another one opened.
        EXPECT_LE(sessions.size(), query.starts_with(row.changing) ? 3U : 1U) << query;
        EXPECT_FALSE(sessions.contains("RETRY")) << recorded.text();
    }
}

}  // namespace
}  // namespace proxyd
