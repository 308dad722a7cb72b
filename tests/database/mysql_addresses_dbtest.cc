// Host names with several addresses, not all of which answer; accounts that may not do anything.
#include "tests/database/mysql_scene.h"
#include "tests/database/silent_listener.h"

namespace proxyd {
namespace {

class MysqlAddresses : public MysqlScene {
  protected:
    void SetUp() override {
        MysqlScene::SetUp();
        resolver.set_lookup([this](const std::string& host) -> Addresses {
            if (host == "db.test") return {addresses, ""};
            return {{}, "host name " + host + ": no such name"};
        });
    }

    // Before the first lookup: threads of the resolver read it.
    std::vector<std::string> addresses;
};

TEST_F(MysqlAddresses, OneThatIsSilentIsPassedOver) {
    const SilentListener silent("127.0.0.2", admin.port);
    addresses = {"127.0.0.2", "127.0.0.1"};
    const auto name = table_at("db.test:" + admin.port, by_address_mysql);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example") << recorded.text();
    // Not asked again: the share of its time is more than this takes.
    cut_connections();
    const auto lookup = ask(name, "alice@example.com");
    EXPECT_EQ(lookup.value, "alice1@dest.example") << recorded.text();
    EXPECT_LT(lookup.took, settings.connect_timeout / 3);
}

TEST_F(MysqlAddresses, WhatAServerSaidIsTold) {
    const SilentListener silent("127.0.0.2", admin.port);
    addresses = {"127.0.0.1", "127.0.0.2"};
    settings.connect_timeout = 2s;
    settings.lookup_timeout = 5s;
    const auto name = table_of({"nobody", "s3cr3t"}, "db.test:" + admin.port, by_address_mysql, "n.cf");
    EXPECT_EQ(answer(name, "alice@example.com"), "RETRY");
    EXPECT_GT(logged("Access denied for user 'nobody'"), 0U) << recorded.text();
}

TEST_F(MysqlAddresses, APathWithoutItsPrefixIsToldAtOnce) {
    const auto lookup = ask(table_at(admin.socket, by_address_mysql), "alice@example.com");
    EXPECT_EQ(lookup.status, Status::retry);
    EXPECT_LT(lookup.took, 1s);
    EXPECT_GT(logged("a UNIX-domain socket is written unix:" + admin.socket), 0U) << recorded.text();
}

// An account of one host, as the administrator made it.
class MysqlAccounts : public MysqlAddresses {
  protected:
    // What the log says of a lookup as an account with this ability.
    std::string told_of(const std::string& ability) {
        static int count = 0;
        const auto account = fmt::format("account{}", ++count);
        admin.sql(fmt::format("CREATE USER {}@'%' IDENTIFIED BY 'a-password' {}", account, ability));
        admin.sql(fmt::format("GRANT ALL ON {}.* TO {}@'%'", dbname, account));
        settings.lookup_timeout = 3s;
        const auto name = table_of({account, "a-password"}, host(), by_address_mysql, account + ".cf");
        EXPECT_EQ(answer(name, "alice@example.com"), "RETRY") << ability;
        admin.sql(fmt::format("DROP USER {}@'%'", account));
        EXPECT_EQ(logged("sent ahead"), 0U);
        return recorded.text();
    }
};

TEST_F(MysqlAccounts, OneThatIsLockedIsSaidToBe) {
    const auto log = told_of("ACCOUNT LOCK");
    EXPECT_NE(
        log.find("this account is locked (error 4151); unlock the account: ALTER USER ... ACCOUNT UNLOCK"),
        std::string::npos)
        << log;
}

TEST_F(MysqlAccounts, AnExpiredPasswordIsSaidToBe) {
    const auto log = told_of("PASSWORD EXPIRE");
    EXPECT_NE(log.find("(error 1820); the password of the account has expired: ALTER USER"),
              std::string::npos)
        << log;
    // It is the host that refuses the account, not a query that fails.
    EXPECT_NE(log.find("host " + host() + ": "), std::string::npos) << log;
}

TEST_F(MysqlAccounts, OneThatRequiresTls) {
    const auto log = told_of("REQUIRE SSL");
    EXPECT_NE(log.find("account that requires TLS, which this table does not ask for"), std::string::npos)
        << log;
}

}  // namespace
}  // namespace proxyd
