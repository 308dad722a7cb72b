// A path in the place of a host name; accounts that may not do anything.
#include "tests/database/mysql_scene.h"

namespace proxyd {
namespace {

class MysqlAddresses : public MysqlScene {};

TEST_F(MysqlAddresses, APathWithoutItsPrefixIsToldAtOnce) {
    const auto lookup = ask(table_at(admin.socket, by_address_mysql), "alice@example.com");
    EXPECT_EQ(lookup.status, Status::retry);
    EXPECT_LT(lookup.took, 1s);
    EXPECT_GT(logged("a UNIX-domain socket is written unix:" + admin.socket), 0U) << recorded.text();
}

// An account of one host, as the administrator made it.
class MysqlAccounts : public MysqlScene {
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
