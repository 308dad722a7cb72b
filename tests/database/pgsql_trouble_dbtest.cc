// What the clients notice of the troubles that PostgreSQL alone has: as little as possible.
#include "tests/database/lookup_stream.h"
#include "tests/database/pgsql_scene.h"
#include "tests/database/scripted_server.h"

namespace proxyd {
namespace {

using PgsqlTrouble = WithStream<PgsqlScene>;

// A message of a PostgreSQL server.
std::string message(char type, const std::string& body) {
    std::string text(1, type);
    const auto length = body.size() + 4;
    for (const int shift : {24, 16, 8, 0}) text += static_cast<char>(length >> shift);
    return text + body;
}
std::string field(char code, const std::string& text) {
    return code + text + '\0';
}

// The server warns on idle connections before it hangs up: that is no answer too many.
TEST_F(PgsqlTrouble, AnImmediateShutdownIsNoDisorder) {
    const auto name = table(by_address);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example");
    admin.server("stop immediate");
    run_for(200ms);
    admin.server("start");
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example");
    EXPECT_EQ(recorded.text().find("do not fit"), std::string::npos) << recorded.text();
}

// It was not asked there: so it may be asked on another one, whatever it does.
TEST_F(PgsqlTrouble, StatementsOnAConnectionThatHasEndedAreAskedElsewhere) {
    settings.pool_size = 1;
    const auto name = table("query = SET application_name = 'proxyd'; SELECT '%s'");
    for (int turn = 0; turn < 5; ++turn) {
        EXPECT_EQ(answer(name, "x"), "x") << recorded.text();
        cut_connections();
        const auto end = Clock::now() + 10s;
        while (connections() > 0 && Clock::now() < end) {
        }
    }
}

TEST_F(PgsqlTrouble, ATableThatIsMissingAtFirst) {
    const auto name = table("query = SELECT x FROM later WHERE x = '%s'");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(answer(name, "a"), "RETRY");
    admin.sql("CREATE TABLE later (x text); INSERT INTO later VALUES ('a')", dbname);
    EXPECT_EQ(answer(name, "a"), "a");
    admin.sql("DROP TABLE later", dbname);
    EXPECT_EQ(answer(name, "a"), "RETRY");
    admin.sql("CREATE TABLE later (y int, x varchar(20)); INSERT INTO later VALUES (1, 'a')", dbname);
    EXPECT_EQ(answer(name, "a"), "a");
}

TEST_F(PgsqlTrouble, ATableThatChangesUnderAPreparedQuery) {
    const auto name = table("query = SELECT * FROM alias WHERE address = '%s'");
    EXPECT_EQ(answer(name, "alice@example.com"), "alice@example.com,alice1@dest.example,1");
    admin.sql("ALTER TABLE alias ADD COLUMN more text DEFAULT 'new'", dbname);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice@example.com,alice1@dest.example,1,new")
        << recorded.text();
    admin.sql("ALTER TABLE alias ALTER COLUMN number TYPE text", dbname);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice@example.com,alice1@dest.example,1,new");
    stream_while(
        name,
        [this] {
            for (int i = 0; i < 5; ++i) {
                admin.sql(fmt::format("ALTER TABLE alias ADD COLUMN c{} int", i), dbname);
                run_for(30ms);
            }
        },
        100ms, 200ms);
    EXPECT_EQ(failed, 0) << "of " << answered << recorded.text();
}

TEST_F(PgsqlTrouble, APermissionThatIsTakenAway) {
    admin.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; GRANT SELECT ON alias TO reader",
              dbname);
    const auto file = write(
        "r.cf", fmt::format("hosts = {}\nuser = reader\ndbname = {}\n{}\n", host(), dbname, by_address));
    EXPECT_EQ(answer("pgsql:" + file, "alice@example.com"), "alice1@dest.example");
    admin.sql("REVOKE SELECT ON alias FROM reader", dbname);
    EXPECT_EQ(answer("pgsql:" + file, "alice@example.com"), "RETRY");
    admin.sql("GRANT SELECT ON alias TO reader", dbname);
    EXPECT_EQ(answer("pgsql:" + file, "alice@example.com"), "alice1@dest.example");
    admin.sql("DROP OWNED BY reader; DROP ROLE reader", dbname);
}

// As PostgreSQL 17 ends a session when transaction_timeout has passed.
TEST_F(PgsqlTrouble, AQueryThatEndsItsSessionIsAskedOnceAndTheServersWordsAreLogged) {
    const std::string ready = message('Z', "I");
    const std::string fatal =
        message('E', field('S', "FATAL") + field('V', "FATAL") + field('C', "25P04") +
                         field('M', "terminating connection due to transaction timeout") +
                         field('F', "postgres.c") + field('R', "ProcessInterrupts") + '\0');
    ScriptedServer server({"",
                           message('R', std::string(4, '\0')) +
                               message('S', "standard_conforming_strings" + std::string(1, '\0') + "on" +
                                                std::string(1, '\0')) +
                               ready,
                           ready, message('1', "") + fatal},
                          true);
    const auto name = "pgsql:" + write("x.cf", fmt::format("hosts = 127.0.0.1:{}\nuser = u\ndbname = "
                                                           "dbname=d sslmode=disable gssencmode=disable\n"
                                                           "query = SELECT slow('%s')\n",
                                                           server.port()));
    EXPECT_EQ(answer(name, "x"), "RETRY");
    EXPECT_EQ(server.accepted(), 1);
    EXPECT_NE(recorded.text().find(
                  "lookup error: terminating connection due to transaction timeout (SQLSTATE 25P04)"),
              std::string::npos)
        << recorded.text();
    EXPECT_EQ(recorded.text().find("invalid socket"), std::string::npos) << recorded.text();
}

// Nothing but another setting can help.
TEST_F(PgsqlTrouble, ATlsSettingThatCannotWorkFailsAtOnceInTheLibrarysWords) {
    settings.lookup_timeout = 60s;
    settings.connect_timeout = 60s;
    const std::pair<const char*, const char*> rows[] = {
        {"sslmode=require", "server does not support SSL, but SSL was required"},
        {"sslmode=verify-ca sslrootcert=/nowhere/ca.pem", ""},
        {"channel_binding=require sslmode=disable", "channel binding"},
        {"gssencmode=require", "GSSAPI"},
        {"sslmode=sometimes", "sslmode"},
        {"service=there_is_none_of_this_name", "there_is_none_of_this_name"},
    };
    int count = 0;
    for (const auto& [setting, words] : rows) {
        const auto file = write(fmt::format("s{}.cf", ++count),
                                fmt::format("hosts = {}\nuser = postgres\ndbname = dbname={} {}\n{}\n",
                                            host(), dbname, setting, by_address));
        for (int i = 0; i < 2; ++i) {
            const auto lookup = ask("pgsql:" + file, "alice@example.com");
            EXPECT_EQ(lookup.status, Status::retry) << setting;
            EXPECT_LT(lookup.took, 30s) << setting;
        }
        EXPECT_NE(recorded.text().find(words), std::string::npos) << setting << recorded.text();
        EXPECT_EQ(recorded.text().find("no answer within"), std::string::npos) << recorded.text();
    }
}

TEST_F(PgsqlTrouble, ALockedTableDelaysNoOther) {
    const auto locked = table("query = SELECT target FROM alias WHERE address = '%s'", "locked.cf");
    admin.sql("CREATE TABLE free (x text); INSERT INTO free VALUES ('a')", dbname);
    const auto open = table("query = SELECT x FROM free WHERE x = '%s'", "free.cf");
    for (int i = 0; i < 50; ++i) {
        (void)answer(locked, "alice@example.com");
        (void)answer(open, "a");
    }
    PGconn* locker = PQconnectdb(
        fmt::format("host={} port={} user=postgres dbname={}", admin.socket_directory, admin.port, dbname)
            .c_str());
    PQclear(PQexec(locker, "BEGIN; LOCK TABLE alias"));
    std::vector<std::shared_ptr<Lookup>> stuck;
    std::vector<std::shared_ptr<Lookup>> fine;
    for (int i = 0; i < 500; ++i) {
        stuck.push_back(start(locked, fmt::format("k{}@example.com", i)));
        fine.push_back(start(open, "a"));
        run_for(1ms);
    }
    run_for(300ms);
    Duration worst{};
    for (const auto& one : fine) {
        EXPECT_EQ(one->status, Status::ok);
        worst = std::max(worst, one->took);
    }
    EXPECT_LT(worst, 300ms);
    EXPECT_LE(connections(), settings.pool_size);
    PQfinish(locker);
    EXPECT_TRUE(run_until([&] {
        return std::all_of(stuck.begin(), stuck.end(), [](const auto& one) { return one->answers == 1; });
    }));
    for (const auto& one : stuck) EXPECT_EQ(one->status, Status::nokey);
}

// libpq takes the name from its environment, or the system's user.
TEST_F(PgsqlTrouble, AMissingUserIsNamed) {
    const auto before = environment("PGUSER");
    ASSERT_EQ(::setenv("PGUSER", "no_such_role", 1), 0);
    int count = 0;
    const auto table_with = [this, &count](const std::string& user, const std::string& hosts) {
        return "pgsql:" +
               write(fmt::format("u{}.cf", ++count),
                     fmt::format("hosts = {}\n{}dbname = {}\nquery = SELECT 'in'\n", hosts, user, dbname));
    };
    EXPECT_EQ(answer(table_with("user = nobody_either\n", host()), "x"), "RETRY");
    EXPECT_EQ(recorded.text().find("user is not set"), std::string::npos) << recorded.text();
    EXPECT_EQ(answer(table_with("", host()), "x"), "RETRY");
    EXPECT_NE(recorded.text().find("does not exist; user is not set in the table file"), std::string::npos)
        << recorded.text();
    EXPECT_EQ(answer(table_with("user = postgres\n", fmt::format("postgresql://{}/{}", host(), dbname)), "x"),
              "RETRY");
    EXPECT_NE(recorded.text().find("does not exist; user is not set in the URI"), std::string::npos)
        << recorded.text();
    before.empty() ? ::unsetenv("PGUSER") : ::setenv("PGUSER", before.c_str(), 1);
}

// The last lookup of a table that was replaced gives up the pool from inside the pool's own callback.
TEST_F(PgsqlTrouble, ATableMovesToAnotherDatabaseWhileItIsAsked) {
    const auto sleeping = "query = SELECT pg_sleep(0.5), '%s'";
    const auto name = table(sleeping);
    std::vector<std::shared_ptr<Lookup>> old;
    for (int i = 0; i < 5; ++i) old.push_back(start(name, fmt::format("k{}", i)));
    run_for(50ms);
    write("t.cf",
          fmt::format("hosts = {}\nuser = postgres\ndbname = postgres\nquery = SELECT current_database()\n",
                      host()));
    tables->reload({{}, {}, [this](table::TableParameters&) { return settings; }});
    EXPECT_EQ(answer(name, "x"), "postgres");
    EXPECT_TRUE(run_until([&] {
        return std::all_of(old.begin(), old.end(), [](const auto& one) { return one->answers == 1; });
    }));
    for (const auto& one : old) EXPECT_EQ(one->status, Status::ok);
    run_for(100ms);
    EXPECT_EQ(connections(), 0);
}

}  // namespace
}  // namespace proxyd
