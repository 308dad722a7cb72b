// Answers that are large, or never end: they come whole or not at all, and others do not wait for them.
#include "tests/database/mysql_scene.h"

namespace proxyd {
namespace {

class MysqlSize : public MysqlScene {
  protected:
    MysqlSize() { settings.answer_size_limit = std::size_t{64} << 20; }
    void SetUp() override {
        MysqlScene::SetUp();
        if (dbname.empty()) return;
        packet_ = admin.sql("SELECT @@global.max_allowed_packet");
        admin.sql("SET GLOBAL max_allowed_packet = 134217728");
    }
    void TearDown() override {
        if (!dbname.empty()) admin.sql("SET GLOBAL max_allowed_packet = " + packet_);
        MysqlScene::TearDown();
    }

    // How many lookups of another table are answered, one after the other, while this one waits.
    int answered_beside(const std::string& name) {
        const auto quick = table(by_address_mysql, "quick.cf");
        EXPECT_EQ(answer(quick, "alice@example.com"), "alice1@dest.example");
        large_ = start(name, "x");
        auto one = start(quick, "alice@example.com");
        int count = 0;
        EXPECT_TRUE(run_until(
            [&] {
                if (one->answers > 0) {
                    EXPECT_EQ(one->value, "alice1@dest.example");
                    ++count;
                    one = start(quick, "alice@example.com");
                }
                return large_->answers > 0;
            },
            60s));
        EXPECT_TRUE(run_until([&] { return one->answers > 0; }));
        return count;
    }
    // The server does not go on with a statement that begins so.
    bool is_over(const std::string& statement) {
        return run_until([&] {
            return admin.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '" +
                             statement + "%'") == "0";
        });
    }

    std::shared_ptr<Lookup> large_;

  private:
    std::string packet_;
};

TEST_F(MysqlSize, RowsWithoutEndFailAtTheLimitAndHoldUpNobody) {
    settings.lookup_timeout = 60s;
    const auto endless = table(
        "query = SELECT REPEAT('x', 100), a.seq FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE '%s' <> ''",
        "endless.cf");
    EXPECT_GE(answered_beside(endless), 3);
    EXPECT_EQ(large_->status, Status::retry);
    EXPECT_EQ(logged("the answer is larger than answer_size_limit, 64M"), 1U) << recorded.text();
    EXPECT_EQ(logged("asked again"), 0U) << recorded.text();
    EXPECT_TRUE(is_over("SELECT REPEAT"));
}

TEST_F(MysqlSize, RowsWithoutEndFailAtTheDeadline) {
    settings.lookup_timeout = 1s;
    settings.answer_size_limit = std::size_t{1} << 30;
    const auto endless =
        table("query = SELECT 1 FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE '%s' <> ''", "endless.cf");
    EXPECT_GE(answered_beside(endless), 3);
    EXPECT_EQ(large_->status, Status::retry);
    EXPECT_TRUE(is_over("SELECT 1 FROM"));
}

TEST_F(MysqlSize, ResultSetsWithoutEndHoldUpNobody) {
    settings.lookup_timeout = 1s;
    admin.sql("CREATE PROCEDURE endless(k text) BEGIN LOOP SELECT k LIMIT 0; END LOOP; END", dbname);
    const auto endless = table("query = CALL endless('%s')", "endless.cf");
    EXPECT_GE(answered_beside(endless), 3);
    EXPECT_EQ(large_->status, Status::retry);
    EXPECT_TRUE(is_over("CALL"));
}

TEST_F(MysqlSize, ManyRowsComeWhole) {
    settings.lookup_timeout = 60s;
    const auto name = table(
        "query = SELECT REPEAT(CHAR(97 + seq), 1000000) FROM seq_0_to_23 WHERE '%s' <> '' ORDER BY seq");
    EXPECT_GE(answered_beside(name), 1);
    std::string expected;
    for (int i = 0; i < 24; ++i) {
        if (i > 0) expected += ',';
        expected += std::string(1000000, static_cast<char>('a' + i));
    }
    EXPECT_EQ(large_->status, Status::ok) << recorded.text();
    EXPECT_TRUE(large_->value == expected) << large_->value.size();
}

// Of 16 MiB less one byte on a row takes several packets. Beside the values it has their lengths, one byte
// for the key's, and four or, of 16 MiB on, nine for the other's.
TEST_F(MysqlSize, OneRowOfSeveralPacketsComesWhole) {
    settings.lookup_timeout = 60s;
    constexpr std::size_t full = 0xffffff;
    for (const std::size_t size : {full - 9, full - 8, full - 7, std::size_t{24000000}, 2 * full - 13}) {
        const auto name =
            table(fmt::format("query = SELECT REPEAT('y', {}), '%s' UNION ALL SELECT 'end', 'last'", size),
                  fmt::format("t{}.cf", size));
        const auto lookup = start(name, "key");
        EXPECT_TRUE(run_until([&] { return lookup->answers > 0; }, 60s));
        EXPECT_EQ(lookup->status, Status::ok) << size << recorded.text();
        EXPECT_TRUE(lookup->value == std::string(size, 'y') + ",key,end,last") << lookup->value.size();
    }
    EXPECT_EQ(logged("asked again"), 0U) << recorded.text();
}

TEST_F(MysqlSize, OneRowAboveTheLimitIsNotRead) {
    settings.answer_size_limit = std::size_t{1} << 20;
    // Both the library and proxyd find that.
    for (const int size : {1048576, 1110000, 100000000}) {
        const auto name =
            table(fmt::format("query = SELECT REPEAT('z', {}) FROM DUAL WHERE '%s' <> ''", size),
                  fmt::format("t{}.cf", size));
        const auto before = logged("the answer is larger than answer_size_limit, 1M");
        EXPECT_EQ(answer(name, "x"), "RETRY");
        EXPECT_EQ(logged("the answer is larger than answer_size_limit, 1M"), before + 1) << recorded.text();
    }
    EXPECT_EQ(logged("asked again"), 0U) << recorded.text();
    EXPECT_EQ(logged("not reachable"), 0U) << recorded.text();
    EXPECT_EQ(answer(table(by_address_mysql, "quick.cf"), "alice@example.com"), "alice1@dest.example");
    const auto most = table(
        fmt::format("query = SELECT REPEAT('z', {}) FROM DUAL WHERE '%s' <> ''", 1048576 - 32), "most.cf");
    EXPECT_EQ(ask(most, "x").status, Status::ok) << recorded.text();
}

}  // namespace
}  // namespace proxyd
