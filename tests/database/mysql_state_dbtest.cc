// What one lookup leaves behind reaches no other: on the server, in the client library, in the table of
// descriptors.
#include <memory>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <mysql.h>

#include "tests/database/loop_server.h"
#include "tests/database/mysql_scene.h"
#include "tests/database/willing_server.h"

namespace proxyd {
namespace {

class MysqlState : public MysqlScene {
  protected:
    // The server has been asked so many lookups.
    bool heard(int lookups) {
        return run_until([&] { return asked_ >= lookups; });
    }
    // The rest is the test's.
    [[nodiscard]] std::unique_ptr<LoopServer> willing_server() {
        return std::make_unique<LoopServer>(
            loop, ScriptedServer::greeting("mysql_native_password"), [this](const std::string& heard) {
                return willing_answer(heard, [this](const std::string& query) -> std::optional<std::string> {
                    if (query.starts_with("SELECT v ")) ++asked_;
                    if (query.ends_with("'first'")) return ScriptedServer::rows("first");
                    return std::nullopt;
                });
            });
    }
    // The server answers the lookup with no rows, so much later; at its deadline the lookup has failed
    // anyway.
    void expect_no_rows_to_fail(LoopServer& server, const Lookup& lookup, std::chrono::milliseconds after) {
        run_for(after);
        if (lookup.answers == 0) server.say(ScriptedServer::no_rows());
        EXPECT_TRUE(run_until([&] { return lookup.answers > 0; }, 1s));
        EXPECT_EQ(lookup.status, Status::retry) << recorded.text();
    }
    // A table of that server, which has been asked once, so that there is a connection.
    std::string table_of_willing(const LoopServer& server) {
        const auto name = table_at("127.0.0.1:" + server.port, "query = SELECT v FROM t WHERE k = '%s'");
        EXPECT_EQ(answer(name, "first"), "first") << recorded.text();
        return name;
    }

    int asked_ = 0;  // lookups
};

// Without autocommit what was written would be held until the connection ends.
TEST_F(MysqlState, WhatIsWrittenWithoutAutocommitHoldsNoLock) {
    settings.pool_size = 2;
    settings.lookup_timeout = 5s;
    admin.each({"CREATE TABLE held (k varchar(9) PRIMARY KEY) ENGINE=InnoDB", "SET GLOBAL autocommit = 0"},
               dbname);
    const auto name = table("require_result_set = no\nquery = INSERT INTO held VALUES ('%s')");
    EXPECT_EQ(answer(name, "x"), "NOT FOUND") << recorded.text();
    admin.each({"SET GLOBAL autocommit = 1"}, dbname);
    EXPECT_TRUE(run_until(
        [&] { return admin.sql("SELECT COUNT(*) FROM information_schema.innodb_trx") == "0"; }, 5s));
}

// The library closes its socket when it cannot write. A new client gets the number of that descriptor.
TEST_F(MysqlState, ADescriptorThatTheLibraryHasClosedIsNotWatched) {
    settings.pool_size = 1;
    const auto server = willing_server();
    const int number = next_number();
    const auto name = table_of_willing(*server);

    std::shared_ptr<Lookup> lookup;
    std::unique_ptr<TakenNumber> client;
    loop.defer([&] {
        server->reset();
        lookup = start(name, "b");
        client = std::make_unique<TakenNumber>(loop);
    });
    EXPECT_TRUE(run_until([&] { return client && server->clients() == 1; })) << "it connects again";
    EXPECT_GE(client->number(), number) << "the number of an open descriptor";
    client->wake();
    EXPECT_TRUE(run_until([&] { return client->fired() > 0; }, 2s)) << "the new client is not heard";
    EXPECT_EQ(client->fired(), 1);
}

// The client library does not look at the numbers of packets.
TEST_F(MysqlState, ARowThatIsMissingOrCameTwiceEndsTheConnection) {
    settings.pool_size = 1;
    const auto server = willing_server();
    const auto name = table_of_willing(*server);
    const auto whole = ScriptedServer::rows("second");
    constexpr std::size_t end = 9;
    const auto begin = ScriptedServer::no_rows().size() - end;  // of the rows
    const auto row = whole.substr(begin, whole.size() - end - begin);
    int queries = 1;
    for (const auto& rows : {std::string(), row + row}) {
        const auto one = start(name, "b");
        EXPECT_TRUE(heard(++queries));
        server->say(whole.substr(0, begin) + rows + whole.substr(whole.size() - end));
        EXPECT_TRUE(heard(++queries)) << "it connects again";
        EXPECT_EQ(one->answers, 0) << shown(*one);
        server->say(whole);
        EXPECT_TRUE(run_until([&] { return one->answers > 0; }, 2s));
        EXPECT_EQ(shown(*one), "second") << recorded.text();
    }
}

// The client library does not notice an answer too many. It may be this one that nobody asked for.
TEST_F(MysqlState, AnAnswerTooManyEndsTheConnection) {
    settings.pool_size = 1;
    const auto server = willing_server();
    const auto name = table_of_willing(*server);
    const auto one = start(name, "b");
    EXPECT_TRUE(heard(2));
    server->say(ScriptedServer::rows("nobody's") + ScriptedServer::rows("second"));
    EXPECT_TRUE(heard(3)) << "it connects again";
    EXPECT_EQ(one->answers, 0);
    server->say(ScriptedServer::rows("second"));
    EXPECT_TRUE(run_until([&] { return one->answers > 0; }, 2s));
    EXPECT_EQ(one->value, "second") << recorded.text();
}

// One that comes before there is a question is no answer to the next one.
TEST_F(MysqlState, WhatNobodyAskedForIsNoAnswer) {
    settings.pool_size = 1;
    const auto server = willing_server();
    const auto name = table_of_willing(*server);
    std::shared_ptr<Lookup> lookup;
    loop.defer([&] {
        server->say(ScriptedServer::rows("nobody's"));
        std::this_thread::sleep_for(50ms);  // until it is there
        lookup = start(name, "b");
    });
    EXPECT_TRUE(heard(2)) << "it connects again";
    EXPECT_EQ(server->clients(), 2U);
    EXPECT_EQ(lookup->answers, 0) << lookup->value;
    server->say(ScriptedServer::rows("second"));
    EXPECT_TRUE(run_until([&] { return lookup->answers > 0; }, 2s));
    EXPECT_EQ(lookup->value, "second") << recorded.text();
}

// The same where answers never cease: each would be taken for the one to the next question from then on.
TEST_F(MysqlState, AnAnswerTooManyIsNoticedUnderLoad) {
    settings.pool_size = 1;
    const auto server = willing_server();
    const auto name = table_at("127.0.0.1:" + server->port, "query = SELECT '%s'");
    EXPECT_EQ(answer(name, "a"), "'a'") << recorded.text();
    std::vector<std::shared_ptr<Lookup>> lookups(8);
    int count = 0;
    const auto ask_on = [&] {
        for (auto& one : lookups) {
            if (!one || one->answers > 0) one = start(name, fmt::format("k{}", ++count));
        }
        return server->clients() == 2;
    };
    EXPECT_FALSE(run_until(ask_on, 20ms));
    server->say(ScriptedServer::rows("surplus"));
    EXPECT_TRUE(run_until(ask_on, 5s)) << "it connects again";
    EXPECT_TRUE(run_until([&] {
        return std::all_of(lookups.begin(), lookups.end(), [](const auto& one) { return one->answers > 0; });
    }));
    EXPECT_EQ(answer(name, "b"), "'b'");
}

// MariaDB answers some statements that meet the time limit with no rows, and no error.
TEST_F(MysqlState, NoRowsAtTheTimeLimitAreNotNotFound) {
    settings.pool_size = 1;
    settings.lookup_timeout = 250ms;  // the server's limit is 225 ms; later it is asked elsewhere, too
    const auto server = willing_server();
    const auto name = table_of_willing(*server);
    const auto quick = start(name, "a");
    run_for(5ms);
    server->say(ScriptedServer::no_rows());
    EXPECT_TRUE(run_until([&] { return quick->answers > 0; }, 1s));
    EXPECT_EQ(quick->status, Status::nokey) << recorded.text();
    const auto slow = start(name, "b");
    expect_no_rows_to_fail(*server, *slow, 235ms);
}

// What a session begins with, beyond what a reset restores: concatenation by "||".
TEST_F(MysqlState, WhatSessionsBeginWithIsNotLost) {
    settings.pool_size = 1;
    admin.each({"CREATE PROCEDURE gives(k text) BEGIN SELECT k; END"}, dbname);
    admin.each({"CREATE OR REPLACE USER 'plain'@'%' IDENTIFIED BY 'plain'",
                "GRANT SELECT, EXECUTE ON *.* TO 'plain'@'%'"});
    const std::string joined = "query = SELECT target || '/Maildir' FROM alias WHERE address = '%s'";
    const auto expect_kept = [&](const std::string& reader, const std::string& caller) {
        for (int turn = 0; turn < 3; ++turn) {
            EXPECT_EQ(answer(reader, "alice@example.com"), "alice1@dest.example/Maildir") << recorded.text();
            EXPECT_EQ(answer(caller, "x"), "x");
        }
    };
    const auto file =
        write("client.cnf", "[client]\ninit-command = SET SESSION sql_mode = 'PIPES_AS_CONCAT'\n");
    const auto of_file = fmt::format("\noption_file = {}\n", file);
    expect_kept(table(joined + of_file, "file.cf"), table("query = CALL gives('%s')" + of_file, "call.cf"));

    admin.sql("SET GLOBAL init_connect = \"SET SESSION sql_mode = 'PIPES_AS_CONCAT'\"");
    expect_kept(table_of({"plain", "plain"}, host(), joined, "server.cf"),
                table_of({"plain", "plain"}, host(), "query = CALL gives('%s')", "calls.cf"));
    admin.sql("SET GLOBAL init_connect = ''");
}

// Without autocommit a session would go on seeing the data of its first lookup.
TEST_F(MysqlState, AChangeIsSeenAtOnceWithoutAutocommit) {
    settings.pool_size = 1;
    admin.sql("SET GLOBAL autocommit = 0");
    admin.sql("CREATE TABLE later (address varchar(100), target varchar(100))", dbname);
    const auto name = table("query = SELECT target FROM later WHERE address = '%s'");
    const auto session = table("query = SELECT CONNECTION_ID() WHERE '%s' <> ''", "id.cf");
    EXPECT_EQ(answer(name, "new0"), "NOT FOUND");
    const auto id = answer(session, "x");
    for (int turn = 0; turn < 3; ++turn) {
        // DDL commits, whatever the session begins with.
        admin.sql(
            fmt::format("CREATE OR REPLACE TABLE later AS SELECT 'new{0}' AS address, 'one{0}' AS target",
                        turn),
            dbname);
        EXPECT_EQ(answer(name, fmt::format("new{}", turn)), fmt::format("one{}", turn)) << recorded.text();
    }
    EXPECT_EQ(answer(session, "y"), id) << "the connection stays";
    admin.sql("SET GLOBAL autocommit = 1");
}

// It was not asked there: so it may be asked on another one, whatever it does.
TEST_F(MysqlState, ACallOnAConnectionThatHasEndedIsAskedElsewhere) {
    settings.pool_size = 1;
    admin.each({"CREATE PROCEDURE gives(k text) BEGIN SELECT k; END"}, dbname);
    const auto name = table("query = CALL gives('%s')");
    for (int turn = 0; turn < 4; ++turn) {
        EXPECT_EQ(answer(name, "x"), "x") << recorded.text();
        // With and without the check that comes after a second.
        if (turn % 2 == 1) run_for(1100ms);
        cut_connections();
    }
}

// A lock that another session holds for as long as this lives.
struct HeldLock {
    explicit HeldLock(const MysqlEngine& admin) : session(mysql_init(nullptr)) {
        mysql_real_connect(session, nullptr, "root", "", nullptr, 0, admin.socket.c_str(), 0);
        mysql_query(session, "SELECT GET_LOCK('held', 1)");
        mysql_free_result(mysql_store_result(session));
    }
    ~HeldLock() { mysql_close(session); }
    HeldLock(const HeldLock&) = delete;
    HeldLock& operator=(const HeldLock&) = delete;
    MYSQL* session;
};

// A connection keeps the limit with which it was opened, while a more patient table joins in. This query then
// meets it with no rows, and no error.
TEST_F(MysqlState, ATableWithALongerTimeoutIsNotCutShortByTheOthers) {
    settings.pool_size = 1;
    admin.each({"CREATE TABLE one (address varchar(100) PRIMARY KEY, target varchar(100))",
                "INSERT INTO one VALUES ('alice@example.com', 'found')"},
               dbname);
    settings.lookup_timeout = 1s;
    const auto quick = table(by_address_mysql, "quick.cf");
    EXPECT_EQ(answer(quick, "alice@example.com"), "alice1@dest.example");
    auto lock = std::make_unique<HeldLock>(admin);
    settings.lookup_timeout = 4s;
    const auto patient = table(
        "query = SELECT target FROM one WHERE address = '%s' AND GET_LOCK('held', 8) = 1", "patient.cf");
    const auto waiting = start(patient, "alice@example.com");
    run_for(1500ms);
    EXPECT_EQ(waiting->answers, 0) << shown(*waiting);
    lock.reset();
    EXPECT_TRUE(run_until([&] { return waiting->answers > 0; }));
    EXPECT_EQ(shown(*waiting), "found") << recorded.text();
}

// The same for what is under way when the limit grows.
TEST_F(MysqlState, NoRowsAtTheLimitOfTheConnectionAreNotNotFound) {
    settings.pool_size = 1;
    settings.lookup_timeout = 250ms;  // the server's limit is 225 ms; later it is asked elsewhere, too
    const auto server = willing_server();
    const auto name = table_of_willing(*server);
    const auto lookup = start(name, "a");
    run_for(5ms);
    settings.lookup_timeout = 4s;
    const auto patient =
        start(table_at("127.0.0.1:" + server->port, "query = SELECT '%s'", "patient.cf"), "b");
    expect_no_rows_to_fail(*server, *lookup, 232ms);
}

}  // namespace
}  // namespace proxyd
