// Servers that stall while we connect, and option files that would make us wait for them.
#include "tests/database/mysql_scene.h"
#include "tests/database/scripted_server.h"

namespace proxyd {
namespace {

class MysqlStall : public MysqlScene {};

TEST_F(MysqlStall, AnOptionFileWithTimeLimitsMakesNothingWait) {
    settings.connect_timeout = 1s;
    settings.lookup_timeout = 1500ms;
    const ScriptedServer stalls({ScriptedServer::greeting("mysql_native_password", true)});
    const auto options = write("my.cnf", "[client]\nconnect-timeout = 5\n");
    // Users of their own have pools of their own. The handshake begins in one of two steps, as the greeting
    // comes early or late: many try both.
    std::vector<std::shared_ptr<Lookup>> all;
    for (int i = 0; i < 10; ++i) {
        all.push_back(start(table_of({fmt::format("user{}", i), "p"}, "127.0.0.1:" + stalls.port(),
                                     "option_file = " + options + "\ntls_ciphers = ALL\nquery = SELECT 1",
                                     fmt::format("t{}.cf", i)),
                            "x"));
        run_for(1ms);
    }
    auto last = Clock::now();
    Duration longest{};
    EXPECT_TRUE(run_until([&] {
        longest = std::max(longest, Clock::now() - last);
        last = Clock::now();
        return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->answers > 0; });
    }));
    EXPECT_LT(longest, 1s) << "everything else stood still";
    for (const auto& one : all) {
        EXPECT_EQ(one->status, Status::retry);
        EXPECT_LT(one->took, 4s) << "as long as the option file says";
    }
}

}  // namespace
}  // namespace proxyd
