// Host names with several addresses, not all of which answer, whichever engine the database has.
#include "tests/database/engine_scene.h"
#include "tests/database/silent_listener.h"
#include "tests/database/with_addresses.h"

namespace proxyd {
namespace {

using EngineAddresses = WithAddresses<EngineScene>;

INSTANTIATE_TEST_SUITE_P(Each, EngineAddresses, each_engine(), engine_name);

TEST_P(EngineAddresses, OneThatIsSilentIsPassedOver) {
    const SilentListener silent("127.0.0.2", engine.port);
    addresses = {"127.0.0.2", "127.0.0.1"};
    const auto name = table_at("db.test:" + engine.port, by_address);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example") << recorded.text();
    // Not asked again: the share of its time is more than this takes.
    cut_connections();
    const auto lookup = ask(name, "alice@example.com");
    EXPECT_EQ(lookup.value, "alice1@dest.example") << recorded.text();
    EXPECT_LT(lookup.took, settings.connect_timeout / 3);
}

// Three tools wrote the table files; the bound of connections is one.
TEST_P(EngineAddresses, OneServerHasOnePoolHoweverItIsSpelt) {
    settings.pool_size = 1;
    for (const auto& host : {"127.0.0.1:" + engine.port, "inet:127.0.0.1:" + engine.port}) {
        const auto name = table_at(host, by_address, host == this->host() ? "a.cf" : "b.cf");
        EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example") << recorded.text();
        EXPECT_EQ(connections(), 1);
    }
    EXPECT_EQ(tables->databases().size(), 1U);
}

TEST_P(EngineAddresses, WhatAServerSaidIsTold) {
    struct Words {
        const char* unknown_account;
        const char* unknown_database;
    };
    const auto words = engine.type == "pgsql"
                           ? Words{"role \"nobody\" does not exist", "database \"not_there\" does not exist"}
                           : Words{"Access denied for user 'nobody'", "Unknown database 'not_there'"};
    const SilentListener silent("127.0.0.2", engine.port);
    addresses = {"127.0.0.1", "127.0.0.2"};
    settings.connect_timeout = 2s;
    settings.lookup_timeout = 5s;
    const auto at = "db.test:" + engine.port;
    const auto stranger = table_of({"nobody", "s3cr3t"}, at, by_address, "n.cf");
    EXPECT_EQ(answer(stranger, "alice@example.com"), "RETRY");
    EXPECT_GT(logged(words.unknown_account), 0U) << recorded.text();
    const auto before = std::exchange(dbname, "not_there");
    EXPECT_EQ(answer(table_at(at, by_address), "alice@example.com"), "RETRY");
    dbname = before;
    EXPECT_GT(logged(words.unknown_database), 0U) << recorded.text();
}

}  // namespace
}  // namespace proxyd
