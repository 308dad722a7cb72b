// What the clients notice of the troubles that a MariaDB server alone has: as little as possible.
#include "tests/database/mysql_scene.h"
#include "tests/database/scripted_server.h"

namespace proxyd {
namespace {

class MysqlTrouble : public MysqlScene {};

TEST_F(MysqlTrouble, AQueryThatIsKilledIsNotNoticed) {
    const auto lookup = start(table("query = SELECT '%s', SLEEP(1)"), "x");
    ASSERT_TRUE(run_until([&] { return admin.queries(dbname) == 1; }));
    admin.kill("QUERY", dbname);
    EXPECT_TRUE(run_until([&] { return lookup->answers > 0; }));
    EXPECT_EQ(lookup->status, Status::ok) << recorded.text();
}

TEST_F(MysqlTrouble, AServerThatClosesIdleConnectionsEarly) {
    admin.sql("SET GLOBAL wait_timeout = 1");
    const auto name = table(by_address_mysql);
    for (int i = 0; i < 6; ++i) {
        const auto lookup = ask(name, "alice@example.com");
        EXPECT_EQ(lookup.status, Status::ok);
        EXPECT_LT(lookup.took, 500ms);
        // Around the very moment at which the server closes it.
        run_for(i % 2 == 0 ? 990ms + i * 5ms : 1300ms);
    }
    // One that ends with a query under way on it is told of; that is no outage.
    EXPECT_EQ(logged("answers again"), 0U) << recorded.text();
    admin.sql("SET GLOBAL wait_timeout = 28800");
}

TEST_F(MysqlTrouble, AServerThatHasNoMoreConnections) {
    admin.each({"CREATE OR REPLACE USER 'plain'@'%' IDENTIFIED BY 'plain'",
                "GRANT SELECT ON *.* TO 'plain'@'%'", "SET GLOBAL max_connections = 10"});
    std::vector<MYSQL*> taken;
    for (int i = 0; i < 12; ++i) {
        MYSQL* one = mysql_init(nullptr);
        if (mysql_real_connect(one, "127.0.0.1", "plain", "plain", nullptr,
                               static_cast<unsigned>(std::stoi(admin.port)), nullptr, 0) != nullptr) {
            taken.push_back(one);
        } else {
            mysql_close(one);
        }
    }
    const auto full = table_of({"plain", "plain"}, host(), "query = SELECT '%s'", "plain.cf");
    const auto lookup = start(full, "x");
    run_for(500ms);
    EXPECT_EQ(lookup->answers, 0);
    for (auto* one : taken) mysql_close(one);
    EXPECT_TRUE(run_until([&] { return lookup->answers > 0; }, 1500ms));
    EXPECT_EQ(lookup->status, Status::ok) << recorded.text();
    admin.sql("SET GLOBAL max_connections = 150");
}

TEST_F(MysqlTrouble, AMissingUserOrPasswordIsNamed) {
    EXPECT_EQ(answer(table_of({"nobody", ""}, host(), "query = SELECT 1", "other.cf"), "x"), "RETRY");
    EXPECT_EQ(logged("user is not set"), 0U) << recorded.text();
    EXPECT_NE(logged("(using password: NO) (error 1045); password is not set in the table file"), 0U)
        << recorded.text();
    EXPECT_EQ(answer(table_of({"", "wrong"}, host(), "query = SELECT 1", "none.cf"), "x"), "RETRY");
    EXPECT_NE(logged("(error 1045); user is not set in the table file"), 0U) << recorded.text();
}

TEST_F(MysqlTrouble, Ed25519Account) {
    admin.sql("INSTALL SONAME 'auth_ed25519'");
    admin.each({"CREATE OR REPLACE USER 'ed'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret')",
                "GRANT SELECT ON *.* TO 'ed'@'%'"});
    EXPECT_EQ(answer(table_of({"ed", "secret"}, host(), by_address_mysql, "ed.cf"), "alice@example.com"),
              "alice1@dest.example")
        << recorded.text();
    const auto lookup =
        ask(table_of({"ed", "wrong"}, host(), by_address_mysql, "no.cf"), "alice@example.com");
    EXPECT_EQ(lookup.status, Status::retry);
    EXPECT_LT(lookup.took, 1s);
}

TEST_F(MysqlTrouble, UnixSocketAccount) {
    const std::string name = getuid() == 0 ? "root" : getenv("USER");
    if (name != "root")
        admin.sql("CREATE OR REPLACE USER '" + name + "'@'localhost' IDENTIFIED VIA unix_socket");
    else
        admin.sql("ALTER USER 'root'@'localhost' IDENTIFIED VIA unix_socket");
    EXPECT_EQ(
        answer(table_of({name, ""}, "unix:" + admin.socket, by_address_mysql, "u.cf"), "alice@example.com"),
        "alice1@dest.example")
        << recorded.text();
    if (name == "root") admin.sql("ALTER USER 'root'@'localhost' IDENTIFIED BY ''");
}

TEST_F(MysqlTrouble, AMissingAuthenticationPluginIsNamed) {
    ScriptedServer server({ScriptedServer::greeting("mysql_native_password"),
                           ScriptedServer::switch_to("no_such_plugin"), ScriptedServer::refusal()});
    const auto lookup = ask(table_at("127.0.0.1:" + server.port(), by_address_mysql), "x");
    EXPECT_EQ(lookup.status, Status::retry);
    EXPECT_LT(lookup.took, 1s);
    EXPECT_GT(logged("no_such_plugin"), 0U) << recorded.text();
    EXPECT_GT(logged("libmariadb3"), 0U) << recorded.text();
}

TEST_F(MysqlTrouble, SessionsHaveATimeLimitOnTheServer) {
    EXPECT_EQ(answer(table("query = SELECT @@max_statement_time > 0"), "x"), "1");
}

TEST_F(MysqlTrouble, AServerThatSaysNothingOrStallsInTheHandshake) {
    settings.connect_timeout = 1s;
    settings.pool_size = 1;
    ScriptedServer silent({});
    ScriptedServer stalls({ScriptedServer::greeting("mysql_native_password", true)});
    struct Row {
        std::string port;
        const char* rest;
    };
    const Row rows[] = {
        {silent.port(), ""},
        {silent.port(), "tls_ciphers = ALL\n"},
        {stalls.port(), "tls_ciphers = ALL\n"},
        {stalls.port(), ""},
    };
    int count = 0;
    for (const auto& row : rows) {
        settings.lookup_timeout = 3s;
        const auto dead = fmt::format("127.0.0.1:{}", row.port);
        const auto alone =
            table_at(dead, std::string(row.rest) + by_address_mysql, fmt::format("a{}.cf", ++count));
        const auto waiting = start(alone, "alice@example.com");
        int others = 0;
        EXPECT_TRUE(run_until([&] {
            ++others;
            return waiting->answers > 0;
        }));
        EXPECT_GT(others, 200) << "everything else stood still";
        const auto lookup = *waiting;
        EXPECT_EQ(lookup.status, Status::retry);
        // It is given up in time, and tried again: not taken for a fault of the table file.
        EXPECT_GT(lookup.took, 2500ms);
        EXPECT_GT(logged(dead + ": "), 0U) << recorded.text();
        // With one connection the second host can only be asked when the first is given up.
        settings.lookup_timeout = 8s;
        const auto both = table_at(dead + " " + host(), by_address_mysql, fmt::format("b{}.cf", count));
        const auto other = ask(both, "alice@example.com");
        EXPECT_EQ(other.value, "alice1@dest.example") << recorded.text();
        EXPECT_LT(other.took, 4s);
    }
}

// In whatever step they are: nothing waits, nothing is left behind.
TEST_F(MysqlTrouble, ThePoolMayEndAtAnyMoment) {
    ScriptedServer silent({});
    ScriptedServer stalls({ScriptedServer::greeting("mysql_native_password", true)});
    ScriptedServer half({ScriptedServer::greeting("mysql_native_password")});
    const std::string queries[] = {
        "SELECT '%s', SLEEP(0.05)",
        "SELECT REPEAT('%s', 3000) FROM alias a, alias b, alias c, alias d LIMIT 300"};
    const std::string hosts[] = {host(), "127.0.0.1:" + silent.port(), "127.0.0.1:" + stalls.port(),
                                 "127.0.0.1:" + half.port(), "unix:" + admin.socket};
    for (const auto& query : queries) {
        for (const auto& where : hosts) {
            for (const auto wait : {0us, 200us, 500us, 1000us, 2000us, 4000us, 8000us, 30000us}) {
                tables = std::make_unique<table::TableSet>(
                    loop,
                    table::TableSetOptions{true, {}, [this](table::TableParameters&) { return settings; }});
                tables->add_backend("mysql", std::make_unique<mysql::TableBackend>(loop, resolver));
                const auto name = table_at(where, "tls_ciphers = ALL\nquery = " + query);
                std::vector<std::shared_ptr<Lookup>> asked;
                for (int i = 0; i < 4; ++i) asked.push_back(start(name, fmt::format("k{}", i)));
                auto begin = Clock::now();
                run_for(wait);
                EXPECT_LT(Clock::now() - begin, wait + 2s) << "the loop stood still: " << where;
                begin = Clock::now();
                tables.reset();
                EXPECT_LT(Clock::now() - begin, 2s) << where << " after " << wait.count() << " us";
            }
        }
    }
    tables = std::make_unique<table::TableSet>(loop, table::TableSetOptions{});
    const auto there = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '" + dbname + "'";
    EXPECT_TRUE(run_until([&] { return admin.sql(there) == "0"; }, 10s));
}

}  // namespace
}  // namespace proxyd
