#include "backends/sql/analysis.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "backends/sql/explain.h"

namespace proxyd::sql {
namespace {

constexpr SqlDialect pgsql = SqlDialect::pgsql;
constexpr SqlDialect mysql = SqlDialect::mysql;
constexpr SqlDialect sqlite = SqlDialect::sqlite;

Template parsed(std::string_view source) {
    std::string error;
    std::optional<Template> result = parse_template(source, error);
    EXPECT_TRUE(result) << source << ": " << error;
    return result.value_or(Template());
}

struct Case {
    SqlDialect dialect;
    std::string_view query;
    std::string_view text;                // the bound statement; "" if it must not be bound
    std::vector<std::string> parameters;  // for the key local@dom.example
};

class Analysis : public testing::TestWithParam<Case> {};

TEST_P(Analysis, BindsExactlyWhatKeepsItsMeaning) {
    const Case& c = GetParam();
    const SqlAnalysis analysis = analyse(parsed(c.query), c.dialect);
    if (c.text.empty()) {
        EXPECT_FALSE(analysis.bound) << c.query << " became " << analysis.bound->text;
        EXPECT_NE(analysis.why_not, "") << c.query;
        return;
    }
    ASSERT_TRUE(analysis.bound) << c.query << ": " << analysis.why_not;
    EXPECT_EQ(analysis.bound->text, c.text);
    std::vector<std::string> values;
    for (const BoundParameter& parameter : analysis.bound->parameters)
        values.push_back(parameter_value(parameter, KeyParts("local@dom.example")));
    EXPECT_EQ(values, c.parameters) << c.query;
}

TEST(Parameters, AreWrittenIntoUsedMemory) {
    const auto bound = *analyse(parsed("SELECT '%u at %d', '%s'"), pgsql).bound;
    std::string value = "of the last lookup, and longer than this one's";
    write_parameter_value(bound.parameters[0], KeyParts("a@b.example"), value);
    EXPECT_EQ(value, "a at b.example");
    write_parameter_value(bound.parameters[1], KeyParts("a@b.example"), value);
    EXPECT_EQ(value, "a@b.example");
}

// Lookups of other keys can be the same query when it holds only parts of them.
TEST(Parameters, HoldTheWholeKeyOrPartsOfIt) {
    const auto whole = [](const char* query) {
        return binds_whole_key(*analyse(parsed(query), pgsql).bound);
    };
    EXPECT_TRUE(whole("SELECT '%s'"));
    EXPECT_TRUE(whole("SELECT '%S'"));
    EXPECT_TRUE(whole("SELECT '%d', 'x%s'"));
    EXPECT_FALSE(whole("SELECT '%d'"));
    EXPECT_FALSE(whole("SELECT '%u', '%D'"));
    EXPECT_FALSE(whole("SELECT '%1', 'x'"));
    EXPECT_FALSE(whole("SELECT 'x'"));
}

const std::string key = "local@dom.example";

INSTANTIATE_TEST_SUITE_P(
    EveryDialect, Analysis,
    testing::Values(
        Case{pgsql, "SELECT d FROM t WHERE a = '%s'", "SELECT d FROM t WHERE a = $1", {key}},
        Case{mysql, "SELECT d FROM t WHERE a = '%s'", "SELECT d FROM t WHERE a = ?", {key}},
        Case{sqlite, "SELECT d FROM t WHERE a = '%s'", "SELECT d FROM t WHERE a = ?", {key}},
        Case{pgsql, "SELECT '%u@%d', '%s', '%s'", "SELECT $1, $2, $3", {key, key, key}},
        Case{pgsql, "SELECT 'o''clock %u''s %%' WHERE a=%%", "SELECT $1 WHERE a=%", {"o'clock local's %"}},
        Case{sqlite, "SELECT '%1.%2'", "SELECT ?", {"example.dom"}},
        Case{mysql, "SELECT CONCAT('%u', '@', '%d')", "SELECT CONCAT(?, '@', ?)", {"local", "dom.example"}},
        Case{pgsql, "SELECT 1", "SELECT 1", {}}, Case{mysql, "SELECT '%s'$x", "SELECT ? $x", {key}},
        Case{pgsql,
             "select x from t where a in ('%s','%u') and not b='%d';",
             "select x from t where a in ($1,$2) and not b=$3",
             {key, "local", "dom.example"}},
        Case{pgsql,
             "/* c */ (SELECT a FROM t WHERE a='%s') -- end",
             "/* c */ (SELECT a FROM t WHERE a=$1) -- end",
             {key}},
        Case{pgsql,
             "SELECT CASE WHEN a='%s' THEN '%u' ELSE '%d' END FROM t",
             "SELECT CASE WHEN a=$1 THEN $2 ELSE $3 END FROM t",
             {key, "local", "dom.example"}},
        Case{pgsql,
             "WITH q AS (SELECT '%s' AS x) SELECT x FROM q",
             "WITH q AS (SELECT $1 AS x) SELECT x FROM q",
             {key}},
        Case{pgsql, "VALUES ('%s')", "VALUES ($1)", {key}}, Case{pgsql, "SELECT '%s'x", "SELECT $1 x", {key}},
        Case{sqlite, "SELECT '%s'5", "SELECT ? 5", {key}},
        Case{pgsql, "SELECT f('%s') FROM a, g('%u')", "SELECT f($1) FROM a, g($2)", {key, "local"}},
        Case{
            pgsql, "SELECT a FROM t WHERE a='%s' ORDER BY b", "SELECT a FROM t WHERE a=$1 ORDER BY b", {key}},
        Case{pgsql,
             "SELECT a FROM t GROUP BY a HAVING a='%s'",
             "SELECT a FROM t GROUP BY a HAVING a=$1",
             {key}},
        Case{mysql, "SELECT a REGEXP '%s', a RLIKE '%s'", "SELECT a REGEXP ?, a RLIKE ?", {key, key}},
        Case{sqlite, "SELECT a GLOB '%s', a IS '%s'", "SELECT a GLOB ?, a IS ?", {key, key}},
        Case{mysql,
             "SELECT '%s' LIKE a, a LIKE '%s' ESCAPE '|'",
             "SELECT ? LIKE a, a LIKE ? ESCAPE '|'",
             {key, key}}));

INSTANTIATE_TEST_SUITE_P(
    Lexing, Analysis,
    testing::Values(
        // A quote inside these does not open a literal.
        Case{pgsql, "SELECT $$'$$, '%s'", "SELECT $$'$$, $1", {key}},
        Case{pgsql, "SELECT $a$'$$'$a$, '%s'", "SELECT $a$'$$'$a$, $1", {key}},
        Case{pgsql, "SELECT \"it's\" FROM t WHERE a='%s'", "SELECT \"it's\" FROM t WHERE a=$1", {key}},
        Case{pgsql, "SELECT /* ' /* ' */ ' */ '%s'", "SELECT /* ' /* ' */ ' */ $1", {key}},
        Case{pgsql, "SELECT -- '\n '%s'", "SELECT -- '\n $1", {key}},
        Case{pgsql, "SELECT -- '\r '%s'", "SELECT -- '\r $1", {key}},
        Case{pgsql, "SELECT E'\\'' || '%s'", "SELECT E'\\'' || $1", {key}},
        Case{pgsql, "SELECT a$b$ FROM t WHERE c='%s'", "SELECT a$b$ FROM t WHERE c=$1", {key}},
        Case{mysql, "SELECT # '\n '%s'", "SELECT # '\n ?", {key}},
        Case{mysql, "SELECT `it's` FROM t WHERE a='%s'", "SELECT `it's` FROM t WHERE a=?", {key}},
        Case{mysql, "SELECT 5--'%s'", "SELECT 5--?", {key}},
        Case{mysql, "SELECT /* /* ' */ '%s'", "SELECT /* /* ' */ ?", {key}},
        Case{mysql,
             "SELECT a FROM t WHERE b=\"it's\" AND a='%s'",
             "SELECT a FROM t WHERE b=\"it's\" AND a=?",
             {key}},
        Case{sqlite, "SELECT [it's] FROM t WHERE a='%s'", "SELECT [it's] FROM t WHERE a=?", {key}},
        Case{sqlite, "SELECT '%s' /* open", "SELECT ? /* open", {key}},
        Case{sqlite, "SELECT 'back\\', '%s'", "SELECT 'back\\', ?", {key}},
        // A question mark is an operator in one dialect and a parameter in the others.
        Case{pgsql, "SELECT a FROM t WHERE j ? '%u'", "SELECT a FROM t WHERE j ? $1", {"local"}},
        Case{mysql, "SELECT ?, '%s'", "", {}}, Case{sqlite, "SELECT ?, '%s'", "", {}},
        Case{sqlite, "SELECT :a, '%s'", "", {}}, Case{sqlite, "SELECT @a, '%s'", "", {}},
        Case{sqlite, "SELECT $a, '%s'", "", {}}, Case{pgsql, "SELECT $1, '%s'", "", {}},
        Case{sqlite, "SELECT '?', '%s'", "SELECT '?', ?", {key}}));

INSTANTIATE_TEST_SUITE_P(
    NotPlainLiterals, Analysis,
    testing::Values(Case{pgsql, "SELECT a FROM t WHERE id = %s", "", {}}, Case{pgsql, "SELECT E'%s'", "", {}},
                    Case{pgsql, "SELECT B'%s', X'%s', N'%s'", "", {}}, Case{pgsql, "SELECT U&'%s'", "", {}},
                    Case{pgsql, "SELECT $$%s$$", "", {}}, Case{pgsql, "SELECT \"%s\"", "", {}},
                    Case{pgsql, "SELECT 'a' '%s'", "", {}}, Case{pgsql, "SELECT '%s'\n'b'", "", {}},
                    Case{pgsql, "SELECT '%s' -- c\n'b'", "", {}}, Case{pgsql, "SELECT 1 -- %s", "", {}},
                    Case{pgsql, "SELECT /* %s */ 1", "", {}}, Case{pgsql, "SELECT '%s", "", {}},
                    Case{pgsql, "SELECT '%s' /* open", "", {}}, Case{mysql, "SELECT _utf8'%s'", "", {}},
                    Case{mysql, "SELECT _utf8 '%s'", "", {}}, Case{mysql, "SELECT \"%s\"", "", {}},
                    Case{mysql, "SELECT '\\'%s'", "", {}}, Case{mysql, "SELECT 'a\\b', '%s'", "", {}},
                    Case{mysql, "SELECT /*! '%s' */ 1", "", {}},
                    Case{mysql, "SELECT /*!40001 SQL_NO_CACHE */ '%s'", "", {}},
                    Case{mysql, "SELECT '%s'--;", "", {}}, Case{mysql, "SELECT @'%s'", "", {}},
                    Case{mysql, "SELECT j->'%s' FROM t", "", {}},
                    Case{mysql, "SELECT j->>'%s' FROM t", "", {}}, Case{sqlite, "SELECT x'%s'", "", {}},
                    Case{sqlite, "SELECT [%s]", "", {}}, Case{sqlite, "SELECT `%s`", "", {}}));

INSTANTIATE_TEST_SUITE_P(
    OtherPlaces, Analysis,
    testing::Values(
        // names and aliases
        Case{mysql, "SELECT a AS '%s' FROM t", "", {}}, Case{mysql, "SELECT a '%s' FROM t", "", {}},
        Case{mysql, "SELECT COUNT(*) '%s' FROM t", "", {}}, Case{sqlite, "SELECT a FROM t, '%s'", "", {}},
        Case{sqlite, "SELECT a FROM '%s'", "", {}}, Case{sqlite, "SELECT '%s'.a FROM t", "", {}},
        Case{sqlite, "SELECT t.'%s' FROM t", "", {}}, Case{sqlite, "SELECT a FROM t WHERE a IN '%s'", "", {}},
        // typed literals and casts
        Case{pgsql, "SELECT date '%s'", "", {}}, Case{pgsql, "SELECT interval '%s'", "", {}},
        Case{pgsql, "SELECT mytype '%s'", "", {}}, Case{pgsql, "SELECT timestamp(3) '%s'", "", {}},
        Case{pgsql, "SELECT '%s'::mydomain", "", {}}, Case{pgsql, "SELECT ('%s')::interval hour", "", {}},
        Case{pgsql, "SELECT CAST('%s' AS mydomain)", "", {}},
        Case{pgsql, "SELECT '%s'::text", "SELECT $1::text", {key}},
        Case{pgsql, "SELECT CAST('%u' AS int)", "SELECT CAST($1 AS int)", {"local"}},
        Case{pgsql,
             "SELECT a FROM (SELECT a FROM t WHERE a='%s') AS q",
             "SELECT a FROM (SELECT a FROM t WHERE a=$1) AS q",
             {key}},
        Case{pgsql, "SELECT concat('%u','@')", "", {}}, Case{pgsql, "SELECT '%s' IS NULL", "", {}},
        // patterns, which PostgreSQL plans by their text
        Case{pgsql, "SELECT a FROM t WHERE a LIKE '%s'", "", {}},
        Case{pgsql, "SELECT a FROM t WHERE a ~* ('%s')", "", {}},
        Case{pgsql, "SELECT a FROM t WHERE '%s' LIKE a", "SELECT a FROM t WHERE $1 LIKE a", {key}},
        // columns whose width MariaDB fixes too early
        Case{mysql, "SELECT id FROM t UNION SELECT '%s'", "", {}}, Case{mysql, "VALUES ('%s')", "", {}},
        Case{mysql, "SELECT LOWER('%s') UNION SELECT a FROM t", "", {}},
        Case{mysql,
             "SELECT a FROM t WHERE a='%s' UNION SELECT b FROM t",
             "SELECT a FROM t WHERE a=? UNION SELECT b FROM t",
             {key}},
        // positions, and expressions that must equal others
        Case{pgsql, "SELECT a FROM t ORDER BY '%s'", "", {}},
        Case{mysql, "SELECT a FROM t GROUP BY a, '%s'", "", {}},
        Case{pgsql, "SELECT a||'x' FROM t GROUP BY (a||'%s')", "", {}},
        Case{pgsql, "SELECT DISTINCT ON ('%s') a FROM t", "", {}},
        Case{pgsql, "SELECT a FROM t LIMIT '%s'", "", {}},
        Case{pgsql, "SELECT a FROM t WHERE b AT TIME ZONE '%s' > c", "", {}}));

INSTANTIATE_TEST_SUITE_P(
    Statements, Analysis,
    testing::Values(Case{pgsql, "", "", {}}, Case{pgsql, " -- only a comment", "", {}},
                    Case{pgsql, "SELECT '%s'; SELECT 2", "", {}},
                    Case{mysql, "SELECT '%s'; SELECT 2", "", {}},
                    Case{sqlite, "SELECT '%s'; SELECT 2", "SELECT ?", {key}},
                    Case{sqlite, "SELECT 1; SELECT '%s'", "", {}},
                    Case{pgsql, "SELECT '%s'; -- done\n ;", "SELECT $1", {key}},
                    Case{pgsql, "; SELECT '%s'", "", {}}, Case{pgsql, "UPDATE t SET a='%s'", "", {}},
                    Case{mysql, "CALL p('%s')", "", {}},
                    Case{pgsql, "WITH x AS (DELETE FROM t WHERE a='%s' RETURNING a) SELECT a FROM x", "", {}},
                    Case{pgsql, "SELECT a INTO b FROM t WHERE a='%s'", "", {}},
                    Case{pgsql, "SELECT a FROM t WHERE a='%s' FOR UPDATE", "", {}}));

struct Flags {
    SqlDialect dialect;
    std::string_view query;
    bool may_write, several;
    std::vector<std::string> unquoted;
};

class Warning : public testing::TestWithParam<Flags> {};

TEST_P(Warning, TellsWhatTheQueryIs) {
    const SqlAnalysis analysis = analyse(parsed(GetParam().query), GetParam().dialect);
    EXPECT_EQ(analysis.may_write, GetParam().may_write) << GetParam().query;
    EXPECT_EQ(analysis.several_statements, GetParam().several) << GetParam().query;
    EXPECT_EQ(analysis.unquoted, GetParam().unquoted) << GetParam().query;
}

using List = std::vector<std::string>;
INSTANTIATE_TEST_SUITE_P(
    Queries, Warning,
    testing::Values(
        Flags{pgsql, "SELECT '%s'", false, false, {}}, Flags{pgsql, "((SELECT '%s'))", false, false, {}},
        Flags{pgsql, "TABLE t;", false, false, {}}, Flags{pgsql, "SELECT 1; SELECT 2", false, true, {}},
        Flags{pgsql, "SELECT 1; DELETE FROM t", true, true, {}},
        Flags{sqlite, "SELECT 1; DELETE FROM t", false, true, {}},
        Flags{pgsql, "INSERT INTO t VALUES ('%s')", true, false, {}},
        Flags{mysql, "DO f('%s')", true, false, {}}, Flags{pgsql, "SELEKT 1", true, false, {}},
        Flags{sqlite, "PRAGMA x", true, false, {}},
        Flags{mysql, "SELECT INSERT('%s',1,1,'x'), REPLACE(a,'b','c') FROM t", false, false, {}},
        Flags{mysql, "SELECT a FROM t LOCK IN SHARE MODE", true, false, {}},
        Flags{mysql, "SELECT a FROM t INTO OUTFILE 'x'", true, false, {}},
        Flags{pgsql, "WITH x AS (UPDATE t SET a=1 RETURNING a) SELECT a FROM x", true, false, {}},
        Flags{pgsql, "SELECT \"into\", 'delete' FROM t", false, false, {}},
        Flags{pgsql, "SELECT %s, '%u', \"%d\", $$%S$$, E'%U' -- %1", false, false,
              List{"%s", "%d", "%S", "%U", "%1"}},
        Flags{pgsql, "SELECT N'%s'", false, false, {}}, Flags{mysql, "SELECT \"%s\"", false, false, {}},
        Flags{mysql, "SELECT `%s` # %9", false, false, List{"%s", "%9"}},
        Flags{sqlite, "SELECT \"%s\", [%d]", false, false, List{"%s", "%d"}}));

// Whether a query leaves state in its session, and the advice about it.
struct Traces {
    SqlDialect dialect;
    std::string_view query;
    bool leaves_state;
    std::vector<std::string> about;  // the beginning of each advice
};

class Session : public testing::TestWithParam<Traces> {};

TEST_P(Session, KeepsNothingOfWhatOnlyReadsOrWritesRows) {
    const SqlAnalysis analysis = analyse(parsed(GetParam().query), GetParam().dialect);
    EXPECT_EQ(analysis.leaves_state, GetParam().leaves_state) << GetParam().query;
    if (GetParam().leaves_state) {
        EXPECT_FALSE(analysis.bound) << GetParam().query;
    }
    ASSERT_EQ(analysis.session_advice.size(), GetParam().about.size()) << GetParam().query;
    for (std::size_t i = 0; i < GetParam().about.size(); ++i)
        EXPECT_TRUE(analysis.session_advice[i].starts_with(GetParam().about[i]))
            << analysis.session_advice[i];
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Session,
    testing::Values(
        Traces{pgsql, "SELECT a FROM t WHERE b='%s'", false, {}},
        Traces{pgsql, "(SELECT a FROM t WHERE b='%s' FOR UPDATE)", false, {}},
        Traces{pgsql, "INSERT INTO t VALUES ('%s') RETURNING 'ok';", false, {}},
        Traces{pgsql, "MERGE INTO t USING u ON t.a=u.a WHEN MATCHED THEN DELETE", false, {}},
        Traces{pgsql, "WITH w AS (INSERT INTO t VALUES ('%s') RETURNING a) SELECT a FROM w", false, {}},
        Traces{pgsql, "SELECT \"into\", 'SET x', set_config FROM t", false, {}},
        Traces{mysql, "INSERT LOW_PRIORITY IGNORE INTO t VALUES ('%s')", false, {}},
        Traces{mysql, "REPLACE DELAYED INTO t SET a='%s'", false, {}},
        Traces{mysql, "INSERT t VALUES ('%s') ON DUPLICATE KEY UPDATE n=n+1", false, {}},
        Traces{mysql, "UPDATE t SET n=n+1 WHERE a='%s'", false, {}},
        Traces{mysql, "DELETE FROM t WHERE a='%s' RETURNING a", false, {}},
        Traces{mysql, "SELECT a FROM t WHERE b='%s' LOCK IN SHARE MODE", false, {}},
        Traces{mysql, "SELECT @@version, @x, ':='", false, {}}, Traces{mysql, "", false, {}},
        Traces{sqlite, "PRAGMA x; SELECT nextval('s')", false, {}}));

INSTANTIATE_TEST_SUITE_P(
    Statements, Session,
    testing::Values(
        Traces{pgsql, "SELECT a INTO TEMP u FROM t", true, {}},
        Traces{pgsql, "WITH w AS (INSERT INTO t VALUES (1) RETURNING a) SELECT a INTO u FROM w", true, {}},
        Traces{pgsql, "SELECT 1; SELECT 2", true, {}}, Traces{pgsql, "BEGIN", true, {}},
        Traces{pgsql, "SET a = 'b'", true, {}}, Traces{pgsql, "CALL p('%s')", true, {}},
        Traces{pgsql, "DO $$ BEGIN END $$", true, {}}, Traces{pgsql, "SELEKT 1", true, {}},
        Traces{pgsql, "SELECT 'without an end", true, {}}, Traces{mysql, "SELECT a INTO @x FROM t", true, {}},
        Traces{mysql, "SELECT 1 /*! INTO @x */", true, {}}, Traces{mysql, "CALL p('%s')", true, {}},
        Traces{mysql, "LOCK TABLES t WRITE", true, {}},
        Traces{mysql, "SET STATEMENT max_statement_time=1 FOR SELECT 1", true, {}}));

INSTANTIATE_TEST_SUITE_P(
    Functions, Session,
    testing::Values(
        Traces{pgsql, "SELECT pg_advisory_lock(1), Pg_Advisory_Lock (2)", true, {"pg_advisory_lock() takes"}},
        Traces{
            pgsql, "SELECT pg_catalog.\"pg_try_advisory_lock\"(1)", true, {"pg_try_advisory_lock() takes"}},
        Traces{pgsql, "SELECT pg_advisory_xact_lock(1)", false, {}},
        Traces{pgsql, "SELECT set_config('a', '%s', false)", true, {"set_config() changes"}},
        Traces{pgsql, "SELECT set_config('a', f(1,2), $$t$$::bool)", true, {"set_config() changes"}},
        Traces{pgsql, "SELECT set_config('a', '%s', not true)", true, {"set_config() changes"}},
        Traces{pgsql, "SELECT set_config('a', f(1,2), true)", false, {}},
        Traces{pgsql, "SELECT lastval(), currval('s')", true, {"lastval() tells", "currval() tells"}},
        Traces{pgsql, "INSERT INTO t VALUES (nextval('s'), '%s')", true, {}},
        Traces{pgsql, "UPDATE pg_settings SET setting='%s' WHERE name='x'", true, {}},
        Traces{pgsql,
               "WITH w AS (UPDATE pg_catalog.\"pg_settings\" SET setting='x' RETURNING 1) SELECT 1",
               true,
               {}},
        Traces{pgsql, "SELECT setting FROM pg_settings WHERE name='%s'", false, {}},
        Traces{pgsql, "SELECT U&\"set!005fconfig\" UESCAPE '!' ('a', '%s', false)", true, {}},
        Traces{pgsql, "SELECT query_to_xml('%s', true, true, '')", true, {"query_to_xml() runs"}},
        Traces{pgsql, "SELECT setseed(0.5)", true, {"setseed() decides"}},
        // The key may contain a call of such a function.
        Traces{pgsql, "SELECT a FROM t WHERE b=%s", true, {}}, Traces{pgsql, "SELECT $$%s$$", true, {}},
        Traces{pgsql, "SELECT E'%s'", true, {}}, Traces{pgsql, "SELECT 1 /* %s */", true, {}},
        Traces{pgsql, "SELECT E'\\n', '%s'", false, {}},
        Traces{mysql, "SELECT a FROM t WHERE b=%d", true, {}},
        Traces{mysql, "SELECT a FROM t WHERE b=\"%d\"", false, {}},
        Traces{sqlite, "SELECT a FROM t WHERE b=%d", false, {}},
        Traces{mysql, "SELECT @n := @n+1 FROM t", true, {":= sets"}},
        Traces{mysql, "SELECT get_lock('%s',1)", true, {"GET_LOCK() takes"}},
        Traces{mysql, "SELECT `get_lock`('%s',1)", true, {"GET_LOCK() takes"}},
        Traces{mysql,
               "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE id=LAST_INSERT_ID(id)",
               true,
               {"LAST_INSERT_ID() is"}},
        Traces{mysql, "SELECT NEXTVAL(s)", true, {}}, Traces{mysql, "SELECT NEXT VALUE FOR s", true, {}}));

TEST(Functions, ThatMayDoMoreThanCompute) {
    for (const auto* query :
         {"SELECT a FROM t WHERE b IN ('%s', lower('%s'))", "SELECT count(*) FROM (SELECT 1) AS t",
          "WITH t AS (SELECT a FROM b) SELECT COALESCE(a, 'f(x)') FROM t /* f(x) */"}) {
        EXPECT_FALSE(analyse(parsed(query), pgsql).calls_functions) << query;
    }
    for (const auto* query : {"SELECT f('%s')", "SELECT a FROM f ('%s')", "SELECT mine.lower('%s')",
                              "SELECT \"lower\"('%s')", "SELECT set_config('a', '%s', false)"}) {
        EXPECT_TRUE(analyse(parsed(query), pgsql).calls_functions) << query;
    }
}

TEST(Backslash, IsReportedWhereverAServerSettingDecides) {
    const auto backslash = [](std::string_view query) {
        const SqlAnalysis analysis = analyse(parsed(query), pgsql);
        EXPECT_TRUE(analysis.bound) << analysis.why_not;
        return analysis.bound && analysis.bound->backslash;
    };
    EXPECT_FALSE(backslash("SELECT '%s'"));
    EXPECT_TRUE(backslash("SELECT 'a\\b%s'"));
    // The backslash decides where this literal ends, and so what the next one is.
    EXPECT_TRUE(backslash("SELECT 'a\\', '%s'"));
    EXPECT_FALSE(backslash("SELECT E'\\n', '%s'"));
}

TEST(Explain, IsTriedOnlyOfWhatCannotChangeAnything) {
    const auto safe = [](std::string_view query, SqlDialect dialect = mysql) {
        const auto read = parsed(query);
        return is_safe_to_explain(read, analyse(read, dialect));
    };
    EXPECT_TRUE(safe("SELECT '%s'"));
    EXPECT_TRUE(safe("SELEC a FROM t WHERE b = '%s'"));
    EXPECT_TRUE(safe("selec a FROM t WHERE b = '%s'", pgsql));
    EXPECT_FALSE(safe("UPDATE t SET a = '%s'"));
    EXPECT_FALSE(safe("call p('%s')"));
    EXPECT_FALSE(safe("ANALYZE DELETE FROM t", pgsql)) << "EXPLAIN ANALYZE executes";
    EXPECT_FALSE(safe("(ANALYZE) DELETE FROM t", pgsql));
    EXPECT_FALSE(safe("SELEC 1; DELETE FROM t"));
    EXPECT_FALSE(safe("SELEC /*! 1 */"));
    EXPECT_FALSE(safe("/*! DELETE FROM t */"));
}

}  // namespace
}  // namespace proxyd::sql
