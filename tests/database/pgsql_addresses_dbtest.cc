// Host names with several addresses, not all of which answer.
#include "tests/database/pgsql_scene.h"
#include "tests/database/silent_listener.h"

namespace proxyd {
namespace {

class PgsqlAddresses : public PgsqlScene {
  protected:
    void SetUp() override {
        PgsqlScene::SetUp();
        resolver.set_lookup([this](const std::string& host) -> Addresses {
            asked += host + "\n";
            if (host == "db.test") return {addresses, ""};
            return {{}, "host name " + host + ": no such name"};
        });
    }
    std::string table_of_name(const std::string& hosts) {
        return "pgsql:" + write("n.cf", fmt::format("hosts = {}\nuser = postgres\ndbname = {}\n{}\n", hosts,
                                                    dbname, by_address));
    }

    // Before the first lookup: threads of the resolver read it.
    std::vector<std::string> addresses;
    std::string asked;  // of the resolver, whose threads write it; look when nothing is asked any more
};

TEST_F(PgsqlAddresses, OneThatIsSilentIsPassedOver) {
    const SilentListener silent("127.0.0.2", admin.port);
    addresses = {"127.0.0.2", "127.0.0.1"};
    const auto name = table_of_name("db.test:" + admin.port);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example") << recorded.text();
    // Not asked again: the share of its time is more than this takes.
    cut_connections();
    const auto lookup = ask(name, "alice@example.com");
    EXPECT_EQ(lookup.value, "alice1@dest.example") << recorded.text();
    EXPECT_LT(lookup.took, settings.connect_timeout / 3);
}

TEST_F(PgsqlAddresses, WhatAServerSaidIsTold) {
    const SilentListener silent("127.0.0.2", admin.port);
    addresses = {"127.0.0.1", "127.0.0.2"};
    settings.connect_timeout = 2s;
    settings.lookup_timeout = 5s;
    dbname = "not_there";
    EXPECT_EQ(answer(table_of_name("db.test:" + admin.port), "alice@example.com"), "RETRY");
    EXPECT_NE(recorded.text().find("database \"not_there\" does not exist"), std::string::npos)
        << recorded.text();
}

TEST_F(PgsqlAddresses, OfAUriOfSeveralHostsEachHasItsShare) {
    const SilentListener silent("127.0.0.2", admin.port);
    addresses = {"127.0.0.2"};
    const auto name = table_of_name(
        fmt::format("postgresql://postgres@db.test%2C127.0.0.1:{0}%2C{0}/{1}", admin.port, dbname));
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example") << recorded.text();
}

TEST_F(PgsqlAddresses, PasswordsInTheWrongPlaceAreNotShown) {
    const std::string secret = "s3cr3t";
    settings.lookup_timeout = 1s;
    const auto tables_of = {
        fmt::format("hosts = mail:{}@127.0.0.1:{}\nuser = postgres\n", secret, admin.port),
        fmt::format("hosts = password={}\nuser = postgres\n", secret),
        fmt::format("hosts = {}\nuser = mail:{}@127.0.0.1\n", host(), secret),
        fmt::format("hosts = {}\nuser = {}\npassword = {}\n", host(), secret + "-x", secret + "-x"),
        fmt::format("hosts = {0} password={1}\nuser = mail:{1}@h\n", host(), secret)};
    int count = 0;
    for (const auto& text : tables_of) {
        const auto file =
            write(fmt::format("t{}.cf", ++count), text + "dbname = " + dbname + "\n" + by_address);
        EXPECT_EQ(answer("pgsql:" + file, "alice@example.com"), "RETRY");
    }
    EXPECT_EQ(asked, "");
    // The fourth's password is the name of its user: every reader sees that.
    auto log = recorded.text();
    for (auto at = log.find(secret + "-x"); at != std::string::npos; at = log.find(secret + "-x"))
        log.erase(at, secret.size() + 2);
    EXPECT_EQ(log.find(secret), std::string::npos) << recorded.text();
    EXPECT_NE(log.find("role \"***@127.0.0.1\" does not exist"), std::string::npos) << recorded.text();
    for (const auto& report : tables->databases()) {
        for (const auto& one : report.hosts)
            EXPECT_EQ(one.last_failure().message.find(secret + "@"), std::string::npos);
    }
}

}  // namespace
}  // namespace proxyd
