// What the clients notice of a database's troubles, whichever engine it has: as little as possible.
#include "tests/database/engine_scene.h"
#include "tests/database/lookup_stream.h"

namespace proxyd {
namespace {

using EngineTrouble = WithStream<EngineScene>;

INSTANTIATE_TEST_SUITE_P(Each, EngineTrouble, each_engine(), engine_name);

TEST_P(EngineTrouble, ConnectionsThatAreCutAreNotNoticed) {
    const auto name = table(by_address);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example");
    for (int i = 0; i < 5; ++i) {
        cut_connections();
        const auto lookup = ask(name, "alice@example.com");
        EXPECT_EQ(lookup.status, Status::ok) << recorded.text();
        EXPECT_LT(lookup.took, 500ms);
    }
    const auto sleeping = table("query = SELECT '%s', " + engine.sleep + "(0.4)", "sleep.cf");
    const auto lookup = start(sleeping, "x");
    run_for(150ms);
    EXPECT_EQ(engine.queries(dbname), 1);
    cut_connections();
    EXPECT_TRUE(run_until([&] { return lookup->answers > 0; }));
    EXPECT_EQ(lookup->status, Status::ok) << recorded.text();
    stream_while(
        name,
        [this] {
            for (int i = 0; i < 5; ++i) {
                cut_connections();
                run_for(50ms);
            }
        },
        100ms, 300ms);
    EXPECT_EQ(failed, 0) << "of " << answered;
    EXPECT_GT(answered, 20);
}

TEST_P(EngineTrouble, ARestartUnderAStreamLosesNothing) {
    const auto name = table(by_address);
    stream_while(
        name, [this] { engine.server("restart"); }, 300ms, 500ms);
    EXPECT_EQ(failed, 0) << "of " << answered << "\n" << recorded.text();
    EXPECT_LT(slowest, engine.restarted);
    stream_while(
        name,
        [this] {
            engine.server("stop fast");
            engine.server("start");
        },
        300ms, 500ms);
    EXPECT_EQ(failed, 0) << "of " << answered << "\n" << recorded.text();
}

TEST_P(EngineTrouble, AStoppedServerIsUsedWithinASecondOfItsReturn) {
    const auto name = table(by_address);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example");
    engine.server("stop");
    const auto lookup = start(name, "alice@example.com");
    run_for(2s);
    EXPECT_EQ(lookup->answers, 0);
    engine.server("start");
    EXPECT_TRUE(run_until([&] { return lookup->answers > 0; }, 1s));
    EXPECT_EQ(lookup->value, "alice1@dest.example");
}

TEST_P(EngineTrouble, AQueryThatTakesTooLongIsStoppedOnTheServer) {
    settings.lookup_timeout = 2000ms;
    const auto name = table("query = SELECT " + engine.sleep + "(30), '%s'");
    const auto lookup = ask(name, "x");
    EXPECT_EQ(lookup.status, Status::retry);
    EXPECT_LT(lookup.took, 2100ms);
    // What was asked a second time has its own limit on the server.
    EXPECT_TRUE(run_until([&] { return engine.queries(dbname) == 0; }, 2500ms)) << engine.queries(dbname);
}

TEST_P(EngineTrouble, AServerThatGrantsFewerConnections) {
    const Account few{"few", "few"};
    engine.create_account(few, 2);
    const auto name = table_of(few, host(), "query = SELECT '%s', " + engine.sleep + "(0.02)", "few.cf");
    std::vector<std::shared_ptr<Lookup>> all;
    for (int i = 0; i < 100; ++i) all.push_back(start(name, fmt::format("k{}", i)));
    EXPECT_TRUE(all_answered(all));
    for (const auto& one : all) EXPECT_EQ(one->status, Status::ok);
    EXPECT_LE(connections(), 2);
}

TEST_P(EngineTrouble, AWrongPasswordIsAnsweredFastAndHealsWhenItIsMended) {
    const Account right{"joe", "r1ght"};
    const Account mistaken{"joe", "m1staken"};
    engine.create_account(right);
    engine.ask_for_password("joe", true);
    run_for(200ms);
    EXPECT_EQ(answer(table_of(right, host(), "query = SELECT 'in'", "right.cf"), "x"), "in");
    const auto wrong = table_of(mistaken, host(), "query = SELECT 'in'", "wrong.cf");
    for (int i = 0; i < 3; ++i) {
        const auto lookup = ask(wrong, "x");
        EXPECT_EQ(lookup.status, Status::retry);
        EXPECT_LT(lookup.took, 1s);
    }
    engine.change_password(mistaken);
    run_for(5100ms);
    EXPECT_EQ(answer(wrong, "x"), "in");
    for (const auto& account : {right, mistaken}) EXPECT_EQ(logged(*account.password), 0U);
    const auto before = std::exchange(dbname, "no_such_database");
    const auto lookup = ask(table_of(mistaken, host(), "query = SELECT 1", "no.cf"), "x");
    dbname = before;
    EXPECT_EQ(lookup.status, Status::retry);
    EXPECT_LT(lookup.took, 1s);
    engine.ask_for_password("joe", false);
}

}  // namespace
}  // namespace proxyd
