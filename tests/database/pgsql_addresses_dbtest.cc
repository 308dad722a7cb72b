// A URI with several hosts; passwords in the place of host names.
#include "tests/database/pgsql_scene.h"
#include "tests/database/silent_listener.h"
#include "tests/database/with_addresses.h"

namespace proxyd {
namespace {

using PgsqlAddresses = WithAddresses<PgsqlScene>;

TEST_F(PgsqlAddresses, OfAUriOfSeveralHostsEachHasItsShare) {
    const SilentListener silent("127.0.0.2", admin.port);
    addresses = {"127.0.0.2"};
    const auto name =
        table_at(fmt::format("postgresql://postgres@db.test%2C127.0.0.1:{0}%2C{0}/{1}", admin.port, dbname),
                 by_address);
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
        for (const auto& one : report.hosts) {
            ASSERT_TRUE(one.last_failure());
            EXPECT_EQ(one.last_failure()->message.find(secret + "@"), std::string::npos);
        }
    }
}

}  // namespace
}  // namespace proxyd
