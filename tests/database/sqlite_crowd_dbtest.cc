// Several tables of one SQLite file, and many files: nobody waits for another one's slow query, and files
// that nobody asks hold neither a thread nor a descriptor.
#include <algorithm>

#include <sys/resource.h>

#include "tests/database/sqlite_scene.h"

namespace proxyd {
namespace {

constexpr auto endless =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

class SqliteCrowd : public SqliteScene {
  protected:
    void SetUp() override {
        SqliteScene::SetUp();
        ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    }
    void TearDown() override { setrlimit(RLIMIT_NOFILE, &before_); }

    void allow_descriptors(rlim_t count) const {
        const rlimit fewer{count, before_.rlim_max};
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &fewer), 0);
    }
    // Of this process to database files.
    [[nodiscard]] static std::size_t open_files() {
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            if (std::filesystem::read_symlink(entry.path(), gone).extension() == ".db") ++count;
        }
        return count;
    }
    [[nodiscard]] static std::size_t threads() {
        const std::filesystem::directory_iterator all("/proc/self/task");
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }
    std::string table_of(int file, const std::string& query) {
        const auto number = std::to_string(file);
        path = directory + "/" + number + ".db";
        if (!std::filesystem::exists(path)) make(path, "target" + number);
        return table(query, number + ".cf");
    }
    [[nodiscard]] static bool all_answered(const std::vector<std::shared_ptr<Lookup>>& all) {
        return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->answers == 1; });
    }

  private:
    rlimit before_{};
};

TEST_F(SqliteCrowd, AQuickTableDoesNotWaitForASlowOneOfItsFile) {
    settings.lookup_timeout = 5s;
    const auto slow = table(endless, "slow.cf");
    const auto quick = table(by_name, "quick.cf");
    std::vector<std::shared_ptr<Lookup>> waiting;
    for (int i = 0; i < 20; ++i) waiting.push_back(start(slow, "x" + std::to_string(i)));
    for (int i = 0; i < 50; ++i) EXPECT_EQ(answer(quick, "alice"), "alice1");
    for (const auto& one : waiting) EXPECT_EQ(one->answers, 0);
    EXPECT_LE(open_files(), 8U) << "pool_size";
    EXPECT_TRUE(run_until([&] { return all_answered(waiting); }));
    EXPECT_EQ(answer(quick, "alice"), "alice1");
}

TEST_F(SqliteCrowd, ASlowTableDoesNotWaitForAnother) {
    settings.lookup_timeout = 8s;
    const auto slow = table(endless, "slow.cf");
    const auto other = table(
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 200000) SELECT max(x) FROM c",
        "other.cf");
    EXPECT_EQ(answer(other, "x"), "200000");
    std::vector<std::shared_ptr<Lookup>> waiting;
    for (int i = 0; i < 20; ++i) waiting.push_back(start(slow, "x" + std::to_string(i)));
    run_for(200ms);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(answer(other, "x"), "200000");
    for (const auto& one : waiting) EXPECT_EQ(one->answers, 0);
    EXPECT_TRUE(run_until([&] { return all_answered(waiting); }));
}

// It is the thread that counts, while others are answered.
TEST_F(SqliteCrowd, AnAnswerWithoutEndIsGivenUp) {
    settings.lookup_timeout = 60s;
    settings.answer_size_limit = 4 << 20;
    const auto rows = table(
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT '%s' || x FROM c", "r.cf");
    const auto quick = table(by_name, "quick.cf");
    const auto lookup = start(rows, "x");
    EXPECT_EQ(answer(quick, "alice"), "alice1");
    EXPECT_TRUE(run_until([&] { return lookup->answers == 1; }, 50s));
    EXPECT_EQ(lookup->status, Status::retry);
    EXPECT_NE(recorded.text().find("the answer is larger than answer_size_limit, 4M"), std::string::npos)
        << recorded.text();
    EXPECT_EQ(answer(quick, "alice"), "alice1");
}

TEST_F(SqliteCrowd, AnAnswerMayBeAsLargeAsTheLimit) {
    settings.answer_size_limit = pool::answer_size(2, 2, 20000);
    const auto name = table("SELECT hex(zeroblob(5000)) UNION ALL SELECT '%s' || hex(zeroblob(4999))");
    EXPECT_EQ(answer(name, "xy").size(), 20001U);
    EXPECT_EQ(answer(name, "xyz"), "RETRY");
    EXPECT_EQ(answer(name, "xy").size(), 20001U);
}

// With a rollback journal a writer keeps all readers out: more threads would help nobody.
TEST_F(SqliteCrowd, ALockedFileIsNotOpenedAgainAndAgain) {
    settings.lookup_timeout = 1s;
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    sqlite3* writer = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &writer), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(writer, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
    const auto files = open_files();
    std::vector<std::shared_ptr<Lookup>> waiting;
    for (int i = 0; i < 20; ++i) waiting.push_back(start(name, "x" + std::to_string(i)));
    run_for(300ms);
    EXPECT_EQ(open_files(), files);
    EXPECT_TRUE(run_until([&] { return all_answered(waiting); }));
    sqlite3_close(writer);
    EXPECT_EQ(answer(name, "alice"), "alice1");
}

TEST_F(SqliteCrowd, AFileThatNobodyAsksIsClosedAndItsThreadEnds) {
    settings.idle_interval = 100ms;
    const auto before = threads();
    const auto name = table(by_name);
    tables->open(name);
    EXPECT_EQ(threads(), before) << "not before it is asked";
    for (int again = 0; again < 3; ++again) {
        EXPECT_EQ(answer(name, "alice"), "alice1");
        EXPECT_TRUE(run_until([&] { return open_files() == 0 && threads() == before; }));
    }
}

// The writer that goes last would take away -wal and -shm, which proxyd may not be able to make again.
TEST_F(SqliteCrowd, AFileInWalModeStaysOpen) {
    settings.idle_interval = 100ms;
    sqlite3* writer = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &writer), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(writer, "PRAGMA journal_mode = WAL; UPDATE alias SET target = 'alice2'", nullptr,
                           nullptr, nullptr),
              SQLITE_OK);
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice2");
    run_for(400ms);
    sqlite3_close(writer);
    EXPECT_TRUE(std::filesystem::exists(path + "-shm"));
    EXPECT_EQ(answer(name, "alice"), "alice2");
}

TEST_F(SqliteCrowd, ManyFilesTakeTurnsOverFewDescriptors) {
    settings.lookup_timeout = 30s;
    std::vector<std::string> names;
    for (int i = 0; i < 60; ++i) names.push_back(table_of(i, by_name));
    allow_descriptors(128);
    for (int round = 0; round < 2; ++round) {
        std::vector<std::shared_ptr<Lookup>> all;
        for (const auto& name : names) all.push_back(start(name, "alice"));
        std::size_t most = 0;
        EXPECT_TRUE(run_until(
            [&] {
                most = std::max(most, open_files());
                return all_answered(all);
            },
            30s));
        for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(shown(*all[i]), "target" + std::to_string(i));
        EXPECT_LE(most, 8U);
    }
    EXPECT_EQ(recorded.text(), "");
}

// Those that are always asked make way, too.
TEST_F(SqliteCrowd, AFileIsServedThoughOthersNeverRest) {
    settings.lookup_timeout = 20s;
    allow_descriptors(32);
    std::vector<std::string> busy;
    for (int i = 0; i < 4; ++i) busy.push_back(table_of(i, by_name));
    const auto late = table_of(4, by_name);
    int answers = 0;
    bool enough = false;
    std::function<void(std::size_t)> ask_again = [&](std::size_t i) {
        tables->lookup(busy[i], "alice", {false, false}, [&, i](const table::LookupResult& result) {
            EXPECT_EQ(result.status, Status::ok);
            ++answers;
            if (!enough) ask_again(i);
        });
    };
    for (std::size_t i = 0; i < busy.size(); ++i) {
        for (int clients = 0; clients < 3; ++clients) ask_again(i);
    }
    EXPECT_TRUE(run_until([&] { return answers > 100; }));
    EXPECT_EQ(answer(late, "alice"), "target4");
    enough = true;
    run_for(100ms);
}

TEST_F(SqliteCrowd, WhatFindsNoFreeHandleWaitsUntilItsDeadline) {
    settings.lookup_timeout = 2s;
    allow_descriptors(32);
    std::vector<std::shared_ptr<Lookup>> waiting;
    for (int i = 0; i < 4; ++i) waiting.push_back(start(table_of(i, endless), "x"));
    run_for(100ms);
    settings.lookup_timeout = 500ms;
    const auto late = table_of(4, by_name);
    EXPECT_EQ(answer(late, "alice"), "RETRY");
    EXPECT_TRUE(run_until([&] { return all_answered(waiting); }));
    EXPECT_EQ(answer(late, "alice"), "target4");
}

}  // namespace
}  // namespace proxyd
