// What MySQL tables answer, and what each parameter does.
#include "tests/database/mysql_scene.h"

namespace proxyd {
namespace {

class MysqlAnswers : public MysqlScene {};

TEST_F(MysqlAnswers, AsTheDatabaseSays) {
    struct Row {
        const char* rest;
        const char* key;
        const char* expected;
    };
    const Row rows[] = {
        {by_address_mysql, "quote\"d@example.com", "double"},
        {by_address_mysql, "empty@example.com", "NOT FOUND"},
        {by_address_mysql, "two@example.com", "first,second"},
        {by_address_mysql, "nul@example.com", "ab"},
        {"query = SELECT x'0062'", "x", "NOT FOUND"},
        {by_address_mysql, "\\' OR 1=1 -- ", "NOT FOUND"},
        {by_address_mysql, "x'; DROP TABLE alias; -- ", "NOT FOUND"},
        {by_address_mysql, "\xBF' OR 1=1 -- ", "NOT FOUND"},
        {"query = SELECT target FROM alias WHERE address = \"%s\"", "quote\"d@example.com", "double"},
        {"query = SELECT target FROM alias WHERE address = \"%s\"", "\" OR \"\"=\"", "NOT FOUND"},
        {"query = SELECT '%s'", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
        {"query = SELECT CONCAT('%s', 'y')", "x", "xy"},
        {"query = SELECT 1 AS one; SELECT 2", "x", "RETRY"},
        {"expansion_limit = 1\nquery = SELECT target FROM alias WHERE address = '%s'", "two@example.com",
         "RETRY"},
        {"expansion_limit = 2\nquery = SELECT target FROM alias WHERE address = '%s' ORDER BY id",
         "two@example.com", "first,second"},
        {"domain = example.com\nquery = SELECT '%s'", "a@example.com", "a@example.com"},
        {"domain = example.com\nquery = SELECT '%s'", "a@example.net", "NOT FOUND"},
    };
    int count = 0;
    for (const auto& row : rows) {
        const auto name = table(row.rest, fmt::format("row{}.cf", ++count));
        EXPECT_EQ(answer(name, row.key), row.expected) << row.rest << " key " << row.key;
        EXPECT_EQ(answer(name, row.key), row.expected) << "again: " << row.rest << " key " << row.key;
    }
    EXPECT_EQ(admin.sql("SELECT COUNT(*) FROM alias", dbname), "13");
}

TEST_F(MysqlAnswers, LongKeys) {
    const auto name = table("query = SELECT '%s'");
    for (const std::string piece : {"x", "'", "\\", "\"", "\xC3\xBC", "\n"}) {
        std::string key;
        while (key.size() < 2000) key += piece;
        EXPECT_EQ(answer(name, key), key) << piece;
    }
}

TEST_F(MysqlAnswers, ResultSets) {
    admin.each({"CREATE PROCEDURE one_set(k text) SELECT CONCAT('<', k, '>')",
                "CREATE PROCEDURE two_sets(k text) BEGIN SELECT k; SELECT k; END",
                "CREATE PROCEDURE an_empty_one(k text) SELECT k FROM alias WHERE 0",
                "CREATE PROCEDURE no_set(k text) BEGIN DECLARE x text; SET x = k; END",
                "CREATE PROCEDURE fails_late(k text) BEGIN SELECT k; SIGNAL SQLSTATE '45000'; END"},
               dbname);
    struct Row {
        const char* rest;
        const char* expected;
    };
    const Row rows[] = {
        {"query = CALL one_set('%s')", "<it's>"},
        {"query = CALL two_sets('%s')", "RETRY"},
        {"query = CALL an_empty_one('%s')", "NOT FOUND"},
        {"query = CALL no_set('%s')", "RETRY"},
        {"require_result_set = yes\nquery = CALL no_set('%s')", "RETRY"},
        {"require_result_set = no\nquery = CALL no_set('%s')", "NOT FOUND"},
        {"require_result_set = no\nquery = CALL one_set('%s')", "<it's>"},
        {"require_result_set = no\nquery = CALL two_sets('%s')", "RETRY"},
        {"query = CALL fails_late('%s')", "RETRY"},
        {"query = UPDATE alias SET number = 9 WHERE address = '%s'", "RETRY"},
        {"require_result_set = no\nquery = UPDATE alias SET number = 9 WHERE address = '%s'", "NOT FOUND"},
        {"require_result_set = perhaps\nquery = SELECT 1", "RETRY"},
    };
    int count = 0;
    for (const auto& row : rows) {
        const auto name = table(row.rest, fmt::format("row{}.cf", ++count));
        EXPECT_EQ(answer(name, "it's"), row.expected) << row.rest;
        // Whatever was left on the connection belongs to no other lookup.
        EXPECT_EQ(answer(table(by_address_mysql), "alice@example.com"), "alice1@dest.example") << row.rest;
    }
    EXPECT_EQ(logged("multiple result sets"), 2U) << recorded.text();
}

TEST_F(MysqlAnswers, NoBackslashEscapes) {
    const auto before = admin.sql("SELECT @@global.sql_mode");
    admin.sql("SET GLOBAL sql_mode = CONCAT(@@global.sql_mode, ',NO_BACKSLASH_ESCAPES')");
    const auto name = table(by_address_mysql);
    EXPECT_EQ(answer(name, "back\\slash@example.com"), "slashed");
    EXPECT_EQ(answer(name, "o'brien@example.com"), "obrien");
    EXPECT_EQ(answer(name, "\\' OR 1=1 -- "), "NOT FOUND");
    const auto echo = table("query = SELECT '%s'", "echo.cf");
    EXPECT_EQ(answer(echo, "a\\'b\\\\'c\n"), "a\\'b\\\\'c\n");
    admin.sql("SET GLOBAL sql_mode = '" + before + "'");
}

TEST_F(MysqlAnswers, Charsets) {
    admin.each({"CREATE TABLE old (k varchar(100), v varchar(100)) CHARACTER SET latin1",
                "INSERT INTO old VALUES (CONVERT(x'FC' USING latin1), CONVERT(x'E4' USING latin1))"},
               dbname);
    const auto query = "query = SELECT v FROM old WHERE k = '%s'";
    EXPECT_EQ(answer(table(query, "default.cf"), "\xC3\xBC"), "\xC3\xA4");
    EXPECT_EQ(answer(table(fmt::format("charset = utf8mb4\n{}", query), "utf8.cf"), "\xC3\xBC"), "\xC3\xA4");
    // The key is UTF-8 all the same: two characters for such a connection, found where two were stored.
    admin.sql("INSERT INTO old VALUES (CONVERT(x'C3BC' USING latin1), CONVERT(x'C3A4' USING latin1))",
              dbname);
    EXPECT_EQ(answer(table(fmt::format("charset = latin1\n{}", query), "latin1.cf"), "\xC3\xBC"), "\xC3\xA4");
    EXPECT_EQ(answer(table("charset = latin1\nquery = SELECT @@character_set_client", "what.cf"), "x"),
              "latin1");
    EXPECT_EQ(answer(table("query = SELECT @@character_set_client", "what8.cf"), "x"), "utf8mb4");
    // Multi-byte characters that end in a backslash must not swallow the quote.
    EXPECT_EQ(answer(table("charset = gbk\nquery = SELECT LENGTH('%s')", "gbk.cf"), "\xC3\xBC'"), "3");
    const auto lookup = ask(table("charset = klingon\nquery = SELECT 1", "unknown.cf"), "x");
    EXPECT_EQ(lookup.status, Status::retry);
    EXPECT_LT(lookup.took, 2s);
    EXPECT_GT(logged("klingon"), 0U) << recorded.text();
}

TEST_F(MysqlAnswers, HostsForms) {
    struct Row {
        std::string hosts;
        const char* expected;
    };
    const auto options =
        write("client.cnf", fmt::format("[client]\nsocket = {}\n[other]\nsocket = /nowhere\n", admin.socket));
    const Row rows[] = {
        {host(), "in"},
        {"inet:" + host(), "in"},
        {"unix:" + admin.socket, "in"},
        {"localhost", "in"},
        {"inet:LocalHost", "in"},
        {"localhost:1", "in"},
        {"127.0.0.1:1, " + host(), "in"},
        {"unix:/nowhere " + host(), "in"},
        {"no-such-host.invalid:3306 " + host(), "in"},
        {"127.0.0.1:no-such-service", "RETRY"},
        {"127.0.0.1:99999", "RETRY"},
        {"", "in"},
    };
    int count = 0;
    for (const auto& row : rows) {
        const auto name = table_at(row.hosts, "query = SELECT 'in'\noption_file = " + options,
                                   fmt::format("row{}.cf", ++count));
        const auto lookup = ask(name, "x");
        EXPECT_EQ(lookup.status, std::string(row.expected) == "in" ? Status::ok : Status::retry)
            << row.hosts << "\n"
            << recorded.text();
        EXPECT_LT(lookup.took, 3s) << row.hosts;
    }
    EXPECT_GT(logged("the port is neither a number nor a known TCP service"), 0U) << recorded.text();
}

// A service name is a port of /etc/services; no server of ours can be there, but the port is asked for.
TEST_F(MysqlAnswers, AServiceNameIsAPort) {
    settings.lookup_timeout = 500ms;
    const auto name = table_at("127.0.0.1:tcpmux", "query = SELECT 1");
    EXPECT_EQ(answer(name, "x"), "RETRY");
    EXPECT_EQ(logged("known TCP service"), 0U);
    EXPECT_NE(recorded.text().find("127.0.0.1:tcpmux"), std::string::npos) << recorded.text();
}

// The library takes the user from there, and the socket; not the password, which the table file has ("").
TEST_F(MysqlAnswers, OptionFileAndGroup) {
    admin.each({"CREATE OR REPLACE USER 'unlocked'@'%'", "GRANT SELECT ON *.* TO 'unlocked'@'%'"});
    const auto options = write("my.cnf", fmt::format("[client]\nuser = unlocked\n[wrong]\nuser = nobody\n"
                                                     "[mine]\nsocket = {}\nuser = unlocked\n",
                                                     admin.socket));
    const auto file = [&](const std::string& rest, const std::string& name) {
        return "mysql:" + write(name, fmt::format("dbname = {}\noption_file = {}\nquery = SELECT "
                                                  "SUBSTRING_INDEX(USER(), '@', 1)\n{}\n",
                                                  dbname, options, rest));
    };
    EXPECT_EQ(answer(file("hosts = " + host(), "a.cf"), "x"), "unlocked") << recorded.text();
    EXPECT_EQ(answer(file("option_group = client\nhosts = " + host(), "b.cf"), "x"), "unlocked");
    EXPECT_EQ(answer(file("option_group = mine\n", "c.cf"), "x"), "unlocked") << recorded.text();
    settings.lookup_timeout = 1s;
    admin.each(
        {"CREATE OR REPLACE USER 'locked'@'%' IDENTIFIED BY 'key'", "GRANT SELECT ON *.* TO 'locked'@'%'"});
    std::ofstream(options, std::ios::app) << "[locked]\nuser = locked\npassword = key\n";
    EXPECT_EQ(answer(file("option_group = locked\nhosts = " + host(), "p.cf"), "x"), "RETRY");
    EXPECT_EQ(answer(file("option_group = locked\npassword = key\nhosts = " + host(), "q.cf"), "x"),
              "locked");
    EXPECT_EQ(answer(file("option_group = wrong\nhosts = " + host(), "d.cf"), "x"), "RETRY");
    // What the table file says goes before what the option file says.
    EXPECT_EQ(answer(file(fmt::format("option_group = wrong\nhosts = {}\nuser = {}\npassword = {}\n", host(),
                                      admin.account.user, *admin.account.password),
                          "e.cf"),
                     "x"),
              admin.account.user);
}

TEST_F(MysqlAnswers, BrokenParameters) {
    for (const std::string rest : {"tls_verify_cert = perhaps", "charset =", "idle_interval = 0",
                                   "retry_interval = never", "expansion_limit = -1"}) {
        EXPECT_EQ(answer(table(rest + "\nquery = SELECT 1", "broken.cf"), "x"), "RETRY") << rest;
        run_for(1100ms);
    }
    EXPECT_EQ(answer("mysql:" + write("nodb.cf", "hosts = " + host() + "\nquery = SELECT 1\n"), "x"),
              "RETRY");
    EXPECT_GT(logged("dbname is missing"), 0U);
    EXPECT_EQ(answer(table("retry_interval = 1\nidle_interval = 1\nquery = SELECT 'in'", "fine.cf"), "x"),
              "in");
}

TEST_F(MysqlAnswers, IdleConnectionsAreClosed) {
    settings.idle_interval = 1s;
    EXPECT_EQ(answer(table(by_address_mysql), "alice@example.com"), "alice1@dest.example");
    EXPECT_GE(connections(), 1);
    EXPECT_TRUE(run_until([this] { return connections() == 0; }, 5s));
}

}  // namespace
}  // namespace proxyd
