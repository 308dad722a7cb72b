// What PostgreSQL tables answer, whatever way the query goes.
#include "tests/database/pgsql_scene.h"

namespace proxyd {
namespace {

class PgsqlAnswers : public PgsqlScene {};

TEST_F(PgsqlAnswers, AsTheDatabaseSays) {
    struct Row {
        const char* rest;
        const char* key;
        const char* expected;
    };
    const Row rows[] = {
        {"query = SELECT target FROM alias WHERE number = '%s'", "1", "alice1@dest.example"},
        {"query = SELECT target FROM alias WHERE number = '%s'", "one", "RETRY"},
        {"query = SELECT target FROM alias WHERE number IN ('%s', 7)", "1", "alice1@dest.example"},
        {"query = SELECT target FROM alias WHERE address = E'%s'", "alice@example.com",
         "alice1@dest.example"},
        {"query = SELECT target FROM alias WHERE address = $$%s$$", "alice@example.com",
         "alice1@dest.example"},
        {"query = SELECT '%s'", "x", "x"},
        {"query = SELECT '%s' || 'y'", "x", "xy"},
        {"query = SELECT upper('%s')", "x", "X"},
        {"query = SELECT DATE '%s' + 1", "2024-02-28", "2024-02-29"},
        {"query = SELECT INTERVAL '%s'", "1 day", "1 day"},
        {"query = SELECT '%s'::int + 1", "41", "42"},
        {"query = SELECT length('%s')", "four", "4"},
        {"query = SELECT COALESCE(NULL, '%s')", "x", "x"},
        {"query = SELECT CASE WHEN '%s' = 'x' THEN 'yes' ELSE 'no' END", "x", "yes"},
        {"query = SELECT to_json('%s'::text)", "x", "\"x\""},
        {"query = SELECT jsonb_build_array('%s')", "x", "[\"x\"]"},
        {"query = SELECT num_nonnulls('%s')", "x", "1"},
        {"query = SELECT pg_typeof('%s')", "x", "unknown"},
        {"query = SELECT 'one'; SELECT 'two'", "x", "two"},
        {"query = SELECT 'one'; SELECT 1/0", "x", "RETRY"},
        {"query = UPDATE alias SET number = 9 WHERE address = '%s'", "alice@example.com", "NOT FOUND"},
        {"query = SELECT target FROM alias WHERE number = '9' AND '%s' <> ''", "x", "alice1@dest.example"},
        {"query = COPY alias TO STDOUT", "x", "RETRY"},
        {"query = COPY alias FROM STDIN", "x", "RETRY"},
        {"query = COPY (SELECT '%s') TO STDOUT", "x", "RETRY"},
        {"query = ;", "x", "RETRY"},
        {"query = SELECT", "x", "NOT FOUND"},
        {"query = SELECT 'x' # c", "x", "RETRY"},
        {"query = SELECT target FROM nosuch WHERE address = '%s'", "x", "RETRY"},
        {"query = SELEC", "x", "RETRY"},
        {"query = SELECT NULL", "x", "NOT FOUND"},
        {"query = SELECT ''", "x", "NOT FOUND"},
        {"query = SELECT x FROM (VALUES ('a'), (NULL), (''), ('b')) v(x)", "x", "a,b"},
        {"select_function = upper", "x", "X"},
        {"query = SELECT target FROM alias WHERE address = '%s'\nretry_interval = 5\nidle_interval = 5",
         "alice@example.com", "alice1@dest.example"},
        {"query = SELECT target FROM alias WHERE address = '%s'\nencoding = LATIN1", "umlaut@example.com",
         "\xFCn\xEF"},
        {"query = SELECT target FROM alias WHERE address = '%s'\nencoding = NOSUCH", "alice@example.com",
         "RETRY"},
        {"query = SELECT current_setting('client_encoding')", "x", "UTF8"},
        {"query = SELECT current_setting('application_name')", "x", "proxyd"},
        {"query = SELECT current_user", "x", "postgres"},
        {"query = SELECT set_config('standard_conforming_strings', 'off', false)", "x", "off"},
    };
    int number = 0;
    for (const bool prepared : {true, false}) {
        settings.prepared_statements = prepared;
        admin.sql("UPDATE alias SET number = 1 WHERE number = 9", dbname);
        for (const auto& row : rows) {
            const auto name = table(row.rest, fmt::format("t{}.cf", ++number));
            for (int again = 0; again < 2; ++again) {
                EXPECT_EQ(answer(name, row.key), row.expected)
                    << row.rest << (prepared ? " prepared" : " bound") << " time " << again << "\n";
            }
        }
    }
    (void)connections();
}

TEST_F(PgsqlAnswers, WhereBackslashesAreEscapes) {
    admin.sql("ALTER DATABASE " + dbname + " SET standard_conforming_strings = off");
    EXPECT_EQ(answer(table(by_address), "back\\slash@example.com"), "slashed");
    EXPECT_EQ(answer(table(by_address), "o'brien@example.com"), "obrien");
    const auto name = table("query = SELECT 'a\\\\b%s'", "b.cf");
    EXPECT_EQ(answer(name, "x"), "a\\bx");
    EXPECT_EQ(answer(name, "\\"), "a\\b\\");
}

TEST_F(PgsqlAnswers, ConnectingInEveryWay) {
    struct Row {
        std::string text;
        const char* expected;
    };
    const auto& port = admin.port;
    const auto& socket = admin.socket_directory;
    const std::string user = "user = postgres\n";
    const std::string db = "dbname = " + dbname + "\n";
    const auto conninfo = fmt::format("dbname = dbname={} connect_timeout=5", dbname);
    const Row rows[] = {
        {"hosts = 127.0.0.1:1 127.0.0.1:" + port + "\n" + user + db, "one"},
        {"hosts = localhost:" + port + "\n" + user + db, "one"},
        {"hosts = inet:127.0.0.1:" + port + "\n" + user + db, "one"},
        {fmt::format("hosts = {}\n{}dbname = dbname={} port={}\n", socket, user, dbname, port), "one"},
        {fmt::format("hosts = unix:{}\n{}dbname = dbname={} port={}\n", socket, user, dbname, port), "one"},
        {fmt::format("hosts = 127.0.0.1:{}\n{}{} application_name=other\n", port, user, conninfo), "one"},
        {fmt::format("hosts = postgresql://postgres@127.0.0.1:{}/{}\n", port, dbname), "one"},
        {fmt::format("hosts = postgres://postgres@localhost:{}/{}\n", port, dbname), "one"},
        {fmt::format("hosts = postgresql://postgres@/{}?host={}&port={}\n", dbname, socket, port), "one"},
        {fmt::format("hosts = postgresql://postgres:pw@127.0.0.1:{}/{}?sslmode=disable\n", port, dbname),
         "one"},
        {fmt::format("hosts = 127.0.0.1:{}\n{}", port, user), "RETRY"},
        {fmt::format("hosts = 127.0.0.1:http\n{}{}", user, db), "RETRY"},
        {fmt::format("hosts = 127.0.0.1:99999\n{}{}", user, db), "RETRY"},
        {fmt::format("hosts = postgresql://postgres@127.0.0.1:{}/nosuch\n", port), "RETRY"},
        {fmt::format("hosts = postgresql://127.0.0.1:{}/{}?nosuch=1\n", port, dbname), "RETRY"},
        {fmt::format("hosts = mysql://127.0.0.1:{}/{}\n", port, dbname), "RETRY"},
        {fmt::format("hosts = 127.0.0.1:{}\nuser = nosuch\n{}", port, db), "RETRY"},
    };
    int number = 0;
    for (const auto& row : rows) {
        const auto file = write(fmt::format("c{}.cf", ++number), row.text + "query = SELECT 'one'\n");
        const auto lookup = ask("pgsql:" + file, "x");
        EXPECT_EQ(lookup.status == Status::ok ? lookup.value : "RETRY", row.expected)
            << row.text << recorded.text();
        EXPECT_LT(lookup.took, 2s) << row.text;
    }
}

TEST_F(PgsqlAnswers, PasswordsAreNeverLogged) {
    for (const auto* text :
         {"postgresql://joe:s3cr3t@127.0.0.1:1/db", "postgresql://joe:s3cr3t@127.0.0.1:{}/nosuch",
          "postgresql://127.0.0.1:{}/nosuch?user=joe&password=s3cr3t", "foo://joe:s3cr3t@h/db",
          "postgresql://joe:s3cr3t@127.0.0.1:x/db", "postgresql://joe:s3cr3t@[127.0.0.1/db",
          "postgresql://joe:s3cr3t@127.0.0.1/db?nosuch=1"}) {
        settings.lookup_timeout = 300ms;
        const auto file = write("p.cf", fmt::format("hosts = {}\nquery = SELECT 1\n",
                                                    fmt::format(fmt::runtime(text), admin.port)));
        tables->reload({{}, {}, [this](table::TableParameters&) { return settings; }});
        EXPECT_EQ(answer("pgsql:" + file, "x"), "RETRY");
    }
    const auto file = write(
        "q.cf",
        fmt::format("hosts = {}\ndbname = password=s3cr3t dbname=nosuch user=joe bad=1\nquery = SELECT 1\n",
                    host()));
    EXPECT_EQ(answer("pgsql:" + file, "x"), "RETRY");
    EXPECT_EQ(recorded.text().find("s3cr3t"), std::string::npos) << recorded.text();
}

}  // namespace
}  // namespace proxyd
