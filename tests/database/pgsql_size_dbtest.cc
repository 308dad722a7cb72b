// Answers that are large, and such as are too large.
#include <unistd.h>

#include "tests/database/lookup_stream.h"
#include "tests/database/pgsql_scene.h"

namespace proxyd {
namespace {

class PgsqlSize : public PgsqlScene {
  protected:
    void SetUp() override {
        PgsqlScene::SetUp();
        if (IsSkipped()) return;
        admin.sql(
            "CREATE TABLE many AS SELECT 'user' || n || '@dest.example' AS target FROM "
            "generate_series(1, 30000) n",
            dbname);
    }

    [[nodiscard]] static std::size_t resident_bytes() {
        std::size_t whole = 0;
        std::size_t resident = 0;
        std::ifstream("/proc/self/statm") >> whole >> resident;
        return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    }
    // Runs until the lookup has its answer; returns by how much memory had grown at most.
    std::size_t growth_until_answered(const Lookup& lookup) {
        const auto before = resident_bytes();
        std::size_t most = before;
        EXPECT_TRUE(run_until(
            [&] {
                most = std::max(most, resident_bytes());
                return lookup.answers > 0;
            },
            60s));
        return most - before;
    }
    // Queries that the server works on.
    [[nodiscard]] std::string active() const {
        return admin.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = '" + dbname +
                         "' AND application_name = 'proxyd' AND state = 'active'");
    }
};

constexpr std::size_t megabyte = std::size_t{1} << 20;

// A sanitizer takes memory of its own, and keeps what was freed.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t sanitizer_share = 10;
#else
constexpr std::size_t sanitizer_share = 1;
#endif
constexpr const char* cross_join = "query = SELECT a.target FROM many a, many b WHERE '%s' <> ''";

TEST_F(PgsqlSize, ACrossJoinIsGivenUpWhileItArrives) {
    settings.lookup_timeout = 60s;
    const auto lookup = start(table(cross_join), "x");
    EXPECT_LT(growth_until_answered(*lookup), sanitizer_share * 300 * megabyte);
    EXPECT_EQ(lookup->status, Status::retry);
    EXPECT_NE(recorded.text().find("the answer is larger than answer_size_limit, 16M -- the lookup gets "
                                   "\"try again later\"; correct the query, or raise answer_size_limit"),
              std::string::npos)
        << recorded.text();
    EXPECT_EQ(recorded.text().find("asked again"), std::string::npos) << recorded.text();
    // What was asked a second time, as it took long, is given up, too. Asking the server holds up the loop.
    const auto end = Clock::now() + 40s;
    while (active() != "0" && Clock::now() < end) run_for(500ms);
    EXPECT_EQ(active(), "0") << "the server goes on";
}

TEST_F(PgsqlSize, SoIsOneVastValue) {
    settings.lookup_timeout = 60s;
    settings.answer_size_limit = megabyte;
    const auto lookup = start(table("query = SELECT repeat('x', 150000000) WHERE '%s' <> ''"), "x");
    EXPECT_LT(growth_until_answered(*lookup), sanitizer_share * 100 * megabyte);
    EXPECT_EQ(lookup->status, Status::retry);
    EXPECT_NE(recorded.text().find("larger than answer_size_limit, 1M"), std::string::npos)
        << recorded.text();
}

TEST_F(PgsqlSize, TheLimitIsExact) {
    settings.lookup_timeout = 60s;
    settings.answer_size_limit = pool::answer_size(1, 1, 3'000'000);
    const auto name = table("query = SELECT repeat('x', '%s'::int)");
    EXPECT_EQ(answer(name, "3000000"), std::string(3'000'000, 'x'));
    EXPECT_EQ(answer(name, "3000001"), "RETRY");
    settings.answer_size_limit = pool::answer_size(1000, 2000, 2000 * 5);
    reload();
    const auto rows = table("query = SELECT '12345', '67890' FROM generate_series(1, '%s'::int)", "rows.cf");
    std::string all;
    for (int i = 0; i < 1000; ++i) all += "12345,67890,";
    all.pop_back();
    EXPECT_EQ(answer(rows, "1000"), all);
    EXPECT_EQ(answer(rows, "1001"), "RETRY");
    const auto nothing = table("query = SELECT NULL FROM generate_series(1, '%s'::int)", "nothing.cf");
    EXPECT_EQ(answer(nothing, "1000"), "NOT FOUND");
    EXPECT_EQ(answer(nothing, "1000000"), "RETRY");
}

TEST_F(PgsqlSize, ALongAnswerIsWholeAndInOrder) {
    settings.lookup_timeout = 60s;
    std::string all;
    for (int i = 1; i <= 30000; ++i) all += fmt::format("user{}@dest.example,", i);
    all.pop_back();
    EXPECT_EQ(answer(table("query = SELECT target FROM many WHERE '%s' <> ''"), "x"), all);
}

// Whatever else is under way, also of the same table, is answered.
TEST_F(PgsqlSize, NothingElseFails) {
    settings.lookup_timeout = 60s;
    settings.answer_size_limit = megabyte;
    settings.pool_size = 2;
    const auto name = table(by_address);
    const auto mixed = table(
        "query = SELECT target FROM alias, generate_series(1, CASE WHEN number = 6 THEN 200000 ELSE 1 "
        "END) WHERE address = '%s'",
        "mixed.cf");
    std::vector<std::shared_ptr<Lookup>> good;
    std::vector<std::shared_ptr<Lookup>> bad;
    EXPECT_EQ(answer(mixed, "alice@example.com"), "alice1@dest.example");
    for (int i = 0; i < 5; ++i) {
        bad.push_back(start(mixed, "per%cent@example.com"));
        good.push_back(start(mixed, "alice@example.com"));
        good.push_back(start(name, "alice@example.com"));
        EXPECT_TRUE(run_until([&] { return bad.back()->answers > 0 && good.back()->answers > 0; }, 60s));
    }
    EXPECT_TRUE(run_until([&] {
        return std::all_of(good.begin(), good.end(), [](const auto& one) { return one->answers == 1; });
    }));
    for (const auto& one : bad) EXPECT_EQ(one->status, Status::retry);
    for (const auto& one : good) EXPECT_EQ(one->value, "alice1@dest.example") << recorded.text();
    EXPECT_LE(connections(), settings.pool_size);
}

// libpq would keep the memory of the longest row for good.
TEST_F(PgsqlSize, AConnectionThatHasHadALongValueIsRenewed) {
    settings.pool_size = 1;
    const auto name = table("query = SELECT pg_backend_pid()::text WHERE '%s' <> ''");
    const auto first = answer(name, "x");
    const auto value = table("query = SELECT repeat('x', '%s'::int)", "value.cf");
    EXPECT_EQ(answer(value, "500000").size(), 500000U);
    EXPECT_EQ(answer(name, "x"), first);
    EXPECT_EQ(answer(value, "2000000").size(), 2000000U);
    EXPECT_NE(answer(name, "x"), first);
}

}  // namespace
}  // namespace proxyd
