// What one lookup, or an earlier one, leaves behind changes no answer: on the server, in its prepared
// statements, in the table of descriptors.
#include <deque>
#include <functional>
#include <set>

#include <malloc.h>

#include "tests/database/loop_server.h"
#include "tests/database/pgsql_scene.h"

namespace proxyd {
namespace {

class PgsqlState : public PgsqlScene {};

// PostgreSQL makes a point in time of these words when it parses them, so a prepared statement would keep the
// first.
TEST_F(PgsqlState, WordsForAPointInTimeAreReadEachTime) {
    for (const std::string now : {"'now'", "'NOW'", "' now'", "timestamptz 'now'"}) {
        const auto name =
            table("query = SELECT 'current' WHERE now() = " + now + " AND '%s' <> ''", "now.cf");
        tables->reload({{}, {}, [this](table::TableParameters&) { return settings; }});
        for (int again = 0; again < 3; ++again) EXPECT_EQ(answer(name, "x"), "current") << now;
    }
    const std::string prepared = "SELECT count(*) FROM pg_prepared_statements WHERE '%s' <> ''";
    EXPECT_NE(answer(table("query = " + prepared, "p.cf"), "x"), "0");
    settings.pool_size = 2;
    int count = 0;
    for (const std::string word : {"today", "tomorrow", "yesterday", "Now"}) {
        const auto name =
            table(fmt::format("query = {} AND statement LIKE '%%proxyd{}%%' AND prepare_time <> '{}'",
                              prepared, ++count, word),
                  word + ".cf");
        EXPECT_EQ(answer(name, "x"), "0") << word;
    }
}

// What the server itself does not take as a reason to look at a prepared statement anew shows within seconds.
TEST_F(PgsqlState, PreparedStatementsAreNotKeptForLong) {
    settings.pool_size = 1;
    admin.sql(
        "CREATE SCHEMA postgres; CREATE TABLE public.moved AS SELECT 'old'::text AS v;"
        "CREATE VIEW seen AS SELECT 'old'::text AS v; CREATE TABLE padded (k text); INSERT INTO padded "
        "VALUES ('a')",
        dbname);
    const auto type = table("query = SELECT 'found' FROM padded WHERE k = '%s'", "type.cf");
    const auto path = table("query = SELECT v FROM moved WHERE '%s' <> ''", "path.cf");
    const auto view = table("query = SELECT v FROM seen WHERE '%s' <> ''", "view.cf");
    EXPECT_EQ(answer(type, "a "), "NOT FOUND");
    EXPECT_EQ(answer(path, "x"), "old");
    EXPECT_EQ(answer(view, "x"), "old");
    admin.sql(
        "ALTER TABLE padded ALTER COLUMN k TYPE char(10);"
        "CREATE TABLE postgres.moved AS SELECT 'new'::text AS v;"
        "CREATE OR REPLACE VIEW seen AS SELECT 'new'::text AS v",
        dbname);
    EXPECT_EQ(answer(view, "x"), "new") << "at once";
    const auto begin = Clock::now();
    const auto right = [&] { return answer(type, "a ") == "found" && answer(path, "x") == "new"; };
    while (!right() && Clock::now() - begin < 6s) run_for(100ms);
    EXPECT_TRUE(right());
    // As all this went over one connection, it was not a new one that set it right.
    EXPECT_EQ(connections(), 1);
}

// The statement is of no use to any of the connections: each says so when it is asked, and is renewed.
TEST_F(PgsqlState, AChangedColumnFailsNoLookupHoweverManyConnectionsHaveThePlan) {
    settings.pool_size = 16;
    admin.sql("CREATE TABLE changing AS SELECT 'old'::text AS v", dbname);
    const auto name = table("query = SELECT v FROM changing, pg_sleep(0.05) WHERE '%s' <> ''");
    std::vector<std::shared_ptr<Lookup>> all;
    for (int i = 0; i < 64; ++i) all.push_back(start(name, fmt::format("k{}", i)));
    EXPECT_TRUE(run_until([&] {
        return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->answers > 0; });
    }));
    EXPECT_GE(connections(), 7);
    admin.sql("ALTER TABLE changing ALTER COLUMN v TYPE varchar(20)", dbname);
    EXPECT_EQ(answer(name, "x"), "old") << recorded.text();
}

TEST_F(PgsqlState, AConnectionWithManyPreparedStatementsIsRenewed) {
    settings.pool_size = 1;
    std::set<std::string> sessions;
    for (int i = 0; i < 250; ++i) {
        const auto name = table(
            fmt::format(
                "query = SELECT pg_backend_pid() FROM (SELECT count(*) AS n FROM pg_prepared_statements) p "
                "WHERE n <= 200 AND '%s' <> 'table {}'",
                i),
            fmt::format("t{}.cf", i));
        const auto session = answer(name, "x");
        ASSERT_NE(session, "NOT FOUND") << "more than 200 statements";
        ASSERT_NE(session, "RETRY");
        sessions.insert(session);
    }
    EXPECT_EQ(sessions.size(), 2U);
    EXPECT_EQ(recorded.text(), "");
}

TEST_F(PgsqlState, StatementsOfTablesThatHaveChangedAreForgotten) {
    settings.pool_size = 1;
    const auto edited_and_asked = [this](int times) {
        for (int i = 0; i < times; ++i) {
            const auto name = table(fmt::format("query = SELECT '%s' || '-{:03}'", i));
            reload();
            ASSERT_EQ(answer(name, "x"), fmt::format("x-{:03}", i));
        }
    };
    edited_and_asked(20);
    const auto before = mallinfo2().uordblks;
    edited_and_asked(150);  // fewer than a connection is kept for
    EXPECT_LT(mallinfo2().uordblks, before + 150 * 100) << "100 bytes for each version";
}

// One message of the protocol, from the server.
std::string message(char kind, const std::string& body) {
    const auto size = body.size() + 4;
    std::string text(1, kind);
    for (const int shift : {24, 16, 8, 0}) text += static_cast<char>(size >> shift & 0xff);
    return text + body;
}

// libpq closes its socket when it sees the end of the connection while it writes. A new client gets the
// number of that descriptor.
TEST_F(PgsqlState, ADescriptorThatTheLibraryHasClosedIsNotWatched) {
    settings.pool_size = 1;
    settings.lookup_timeout = 6s;
    const auto ready = message('Z', "I");
    const auto columns =
        message('T', std::string("\0\1v\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0", 22));
    const auto row =
        columns + message('D', std::string("\0\1\0\0\0\1x", 7)) + message('C', std::string("SELECT 1\0", 9));
    std::deque<std::string> answers{
        message('R', std::string(4, '\0')) + ready, ready,
        message('1', "") + message('t', std::string(2, '\0')) + columns + message('2', "") + row + ready};
    LoopServer server(loop, "", [&answers](const std::string&) {
        if (answers.empty()) return std::string();
        const auto answer = answers.front();
        answers.pop_front();
        return answer;
    });
    const int number = next_number();
    const auto name = "pgsql:" + write("l.cf", fmt::format("hosts = postgresql://postgres@127.0.0.1:{}/"
                                                           "db?sslmode=disable&gssencmode=disable\n"
                                                           "query = SELECT '%s'\n",
                                                           server.port));
    EXPECT_EQ(answer(name, "a"), "x") << recorded.text();

    std::shared_ptr<Lookup> lookup;
    std::unique_ptr<TakenNumber> client;
    loop.defer([&] {
        server.fall_silent();
        lookup = start(name, std::string(15'000'000, 'k'));  // more than the system takes without a reader
        client = std::make_unique<TakenNumber>(loop);
    });
    EXPECT_TRUE(run_until([&] { return client && server.clients() == 2; })) << "it connects again";
    EXPECT_GE(client->number(), number) << "the number of an open descriptor";
    client->wake();
    EXPECT_TRUE(run_until([&] { return client->fired() > 0; }, 2s)) << "the new client is not heard";
    EXPECT_EQ(client->fired(), 1);
    EXPECT_TRUE(run_until([&] { return lookup->answers > 0; })) << "the deadline ends what nobody answers";
}

// A connection keeps the limit with which it was opened.
TEST_F(PgsqlState, ATableWithALongerTimeoutIsNotCutShortByTheOthers) {
    settings.pool_size = 1;
    settings.lookup_timeout = 1s;
    const auto quick = table("query = SELECT target FROM alias WHERE address = '%s'", "quick.cf");
    EXPECT_EQ(answer(quick, "alice@example.com"), "alice1@dest.example");
    settings.lookup_timeout = 4s;
    const auto patient = table(
        "query = SELECT target FROM alias WHERE address = '%s' AND pg_sleep(1.2) IS NOT NULL", "patient.cf");
    EXPECT_EQ(answer(patient, "alice@example.com"), "alice1@dest.example") << recorded.text();
}

// Two lookups are always under way, so that the connection is never idle.
TEST_F(PgsqlState, PreparedStatementsDoNotPileUpUnderSteadyLoad) {
    settings.pool_size = 1;
    constexpr int tables_count = 290;  // more than a connection prepares statements
    std::vector<std::string> names;
    for (int i = 0; i < tables_count; ++i)
        names.push_back(table(fmt::format("query = SELECT '%s' || '{}'", i), fmt::format("t{}.cf", i)));
    names.push_back(table("query = SELECT COUNT(*) FROM pg_prepared_statements WHERE '%s' <> ''", "n.cf"));
    std::string kept;
    int answered = 0;
    const std::function<void(std::size_t)> ask_from = [&](std::size_t i) {
        if (i >= names.size()) return;
        tables->lookup(names[i], "a", {false, false}, [&, i](const table::LookupResult& result) {
            EXPECT_EQ(result.status, Status::ok);
            ++answered;
            if (i + 1 == names.size()) kept = result.value;
            ask_from(i + 2);
        });
    };
    ask_from(0);
    ask_from(1);
    EXPECT_TRUE(run_until([&] { return answered > tables_count; }, 20s));
    EXPECT_LE(std::stoi(kept), 200);
}

}  // namespace
}  // namespace proxyd
