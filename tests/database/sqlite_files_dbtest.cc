// What happens to the file of an SQLite table, and what else may stand under its name.
#include <condition_variable>
#include <fstream>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/database/sqlite_scene.h"

namespace proxyd {
namespace {

class SqliteFiles : public SqliteScene {
  protected:
    // As cp does it: the same file, other bytes.
    void overwrite_in_place(const std::string& target) const {
        const auto other = directory + "/other.db";
        make(other, target);
        const auto before = table::stamp_of(path);
        std::ifstream in(other, std::ios::binary);
        std::ofstream(path, std::ios::binary | std::ios::trunc) << in.rdbuf();
        std::filesystem::remove(other);
        const auto after = table::stamp_of(path);
        ASSERT_EQ(after.inode, before.inode);
        ASSERT_EQ(after.size, before.size);
    }
};

// What status tells of a file.
class SqliteFileReport : public SqliteFiles {
  protected:
    [[nodiscard]] table::DatabaseReport report() const {
        const auto reports = tables->databases();
        EXPECT_EQ(reports.size(), 1U);
        return reports.empty() ? table::DatabaseReport{} : reports.front();
    }
    [[nodiscard]] pool::Host file() const { return report().hosts.at(0); }
    // "" while it is well.
    [[nodiscard]] std::string problem() const {
        return file().is_failing() ? file().last_failure()->message : "";
    }
};

TEST_F(SqliteFileReport, SaysWhyLookupsFailUntilOneSucceeds) {
    EXPECT_TRUE(tables->databases().empty());
    const auto name = table(by_name);
    tables->open(name);
    EXPECT_EQ(report().name, "sqlite database maps.db");
    EXPECT_EQ(file().info().label, path);
    EXPECT_EQ(file().health(), pool::HostHealth::untried);
    const std::string garbage =
        "this is no database, and long enough to be seen as none, for its header is 100 bytes";
    const std::pair<std::function<void()>, std::string> rows[] = {
        {[] {}, ": no such file"},
        {[&] { std::ofstream(path) << garbage << garbage; }, ": file is not a database"},
        {[&] { std::filesystem::create_directory(path); }, ": is a directory, not a regular file"},
    };
    for (const auto& [put, why] : rows) {
        std::filesystem::remove_all(path);
        put();
        EXPECT_EQ(answer(name, "alice"), "RETRY");
        EXPECT_EQ(problem(), "database " + path + why);
        const auto since = file().failing_since();
        run_for(5ms);
        EXPECT_EQ(answer(name, "alice"), "RETRY");
        EXPECT_EQ(file().failing_since(), since) << "counted from the first failure";
        std::filesystem::remove_all(path);
        make(path, "alice1");
        EXPECT_EQ(answer(name, "alice"), "alice1");
        EXPECT_EQ(file().health(), pool::HostHealth::up);
    }
}

TEST_F(SqliteFileReport, SaysWhatIsMissingOfAFileInWalMode) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become a user who may not write to the directory";
    sql(path, "PRAGMA journal_mode = WAL");
    const auto name = table(by_name);
    for (const auto& file : {directory, path, directory + "/s.cf"}) chmod(file.c_str(), 0755);
    ASSERT_EQ(seteuid(65534), 0);
    EXPECT_EQ(answer(name, "alice"), "RETRY");
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_THAT(problem(), testing::HasSubstr(fmt::format(
                               "attempt to write a readonly database. The file is in WAL mode: {0}-wal and "
                               "{0}-shm must be there, or user nobody must be able to make them: let nobody "
                               "write to the directory {1}",
                               path, directory)));
}

// Its journal stays behind, and only who may write can undo the change.
TEST_F(SqliteFileReport, SaysWhatUndoesTheChangeOfAWriterThatCrashed) {
    sql(path, "INSERT INTO alias SELECT hex(randomblob(200)), 'x', 1 FROM alias, alias, alias, alias");
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    const auto writer = fork();
    if (writer == 0) {
        sqlite3* database = nullptr;
        sqlite3_open(path.c_str(), &database);
        sqlite3_exec(database, "PRAGMA cache_size = 1; BEGIN; UPDATE alias SET target = address || 'half'",
                     nullptr, nullptr, nullptr);
        _exit(0);
    }
    ASSERT_EQ(waitpid(writer, nullptr, 0), writer);
    ASSERT_TRUE(std::filesystem::exists(path + "-journal"));
    EXPECT_EQ(answer(name, "alice"), "RETRY");
    EXPECT_THAT(recorded.text(), testing::HasSubstr("sqlite3 " + path + " 'PRAGMA user_version'"));
    sql(path, "PRAGMA user_version");
    EXPECT_EQ(answer(name, "alice"), "alice1");
}

TEST_F(SqliteFileReport, CountsLookupsAndTellsOfALock) {
    settings.lookup_timeout = 300ms;
    const auto name = table(by_name);
    sqlite3* writer = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &writer), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(writer, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
    const std::vector<std::shared_ptr<Lookup>> lookups{start(name, "alice"), start(name, "bob"),
                                                       start(name, "nul")};
    EXPECT_EQ(report().stats.in_flight, 1U);
    EXPECT_EQ(report().stats.waiting, 2U);
    EXPECT_EQ(problem(), "");
    EXPECT_TRUE(run_until([&] { return lookups.back()->answers == 1; }));
    // The second and third have waited behind the first.
    EXPECT_THAT(problem(), testing::AnyOf("database " + path + ": still locked at the deadline",
                                          "the database file was busy until the deadline"));
    sqlite3_close(writer);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    EXPECT_EQ(problem(), "");
    EXPECT_EQ(report().stats.in_flight + report().stats.waiting, 0U);
}

TEST_F(SqliteFileReport, AQueryThatIsWrongIsNotTheFilesFault) {
    for (const auto* query : {"SELECT x FROM nosuch", "UPDATE alias SET number = 1"}) {
        EXPECT_EQ(answer(table(query, "wrong.cf"), "alice"), "RETRY");
        EXPECT_EQ(file().health(), pool::HostHealth::up) << query << problem();
        reload();
    }
}

// What keeps every query from its answer is as a host that is down: stale_ttl helps.
TEST_F(SqliteFiles, TheLastKnownAnswerIsGivenWhileTheFileCannotBeRead) {
    settings.lookup_timeout = 1s;
    settings.stale_ttl = 1h;
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    sqlite3* writer = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &writer), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(writer, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    EXPECT_EQ(answer(name, "nobody"), "RETRY");
    sqlite3_close(writer);
    std::ofstream(path) << std::string(1000, 'x');
    EXPECT_EQ(answer(name, "alice"), "alice1");
    EXPECT_EQ(answer(name, "nobody"), "RETRY");
}

// Both files have been written to equally often, so that the library sees no difference by itself.
TEST_F(SqliteFiles, AFileThatIsOverwrittenInPlace) {
    const auto name = table(by_name);
    const auto text = table("SELECT target FROM alias WHERE address = \"%s\"", "text.cf");
    for (int i = 1; i <= 5; ++i) {
        EXPECT_EQ(answer(name, "alice"), "alice" + std::to_string(i));
        EXPECT_EQ(answer(text, "alice"), "alice" + std::to_string(i));
        run_for(20ms);  // longer than the system's clock for files needs to go on
        overwrite_in_place("alice" + std::to_string(i + 1));
    }
}

TEST_F(SqliteFiles, AFileThatIsReplacedWithRename) {
    const auto name = table(by_name);
    for (int i = 1; i <= 5; ++i) {
        EXPECT_EQ(answer(name, "alice"), "alice" + std::to_string(i));
        make(directory + "/new.db", "alice" + std::to_string(i + 1));
        std::filesystem::rename(directory + "/new.db", path);
    }
}

TEST_F(SqliteFiles, WhatIsNoRegularFileIsRefusedAtOnce) {
    const auto fifo = directory + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    const auto socket_path = directory + "/socket";
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    (void)::close(fd);
    const std::pair<std::string, std::string> rows[] = {
        {fifo, "a FIFO"}, {directory, "a directory"}, {socket_path, "a socket"}, {"/dev/null", "a device"}};
    for (const auto& [what, kind] : rows) {
        path = what;
        const auto lookup =
            ask(table(by_name, std::filesystem::path(what).filename().string() + ".cf"), "alice");
        EXPECT_EQ(lookup.status, Status::retry);
        EXPECT_LT(lookup.took, 1s) << kind;
        EXPECT_NE(recorded.text().find(fmt::format("database {}: is {}", what, kind)), std::string::npos)
            << kind << recorded.text();
    }
}

TEST_F(SqliteFiles, WhatIsNotThereIsToldFromWhatMayNotBeRead) {
    const auto missing = "sqlite:" + write("m.cf", "dbpath = " + directory + "/none.db\nquery = SELECT 1\n");
    EXPECT_EQ(answer(missing, "x"), "RETRY");
    EXPECT_NE(recorded.text().find("/none.db: no such file"), std::string::npos) << recorded.text();
    if (geteuid() != 0) GTEST_SKIP() << "only root can become a user who may not read the file";
    const auto name = table(by_name);
    chmod(directory.c_str(), 0755);
    chmod((directory + "/s.cf").c_str(), 0644);
    chmod(path.c_str(), 0600);
    ASSERT_EQ(seteuid(65534), 0);
    const auto refused = answer(name, "alice");
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_EQ(refused, "RETRY");
    const auto expected = fmt::format(
        "database {0}: permission denied for user nobody. Try chgrp root {0}; chmod g+r {0}", path);
    EXPECT_NE(recorded.text().find(expected), std::string::npos) << recorded.text();
}

TEST_F(SqliteFiles, AFifoInThePlaceOfTheFileThatWasOpen) {
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    const auto lookup = ask(name, "alice");
    EXPECT_EQ(lookup.status, Status::retry);
    EXPECT_LT(lookup.took, 1s);
    std::filesystem::remove(path);
    make(path, "alice2");
    EXPECT_EQ(answer(name, "alice"), "alice2");
}

TEST_F(SqliteFiles, StatementsOfTablesThatHaveChangedAreForgotten) {
    const auto edited_and_asked = [this](int times) {
        for (int i = 0; i < times; ++i) {
            const auto name = table(fmt::format("SELECT '%s-{:03}'", i));
            reload();
            ASSERT_EQ(answer(name, "x"), fmt::format("x-{:03}", i));
        }
        run_for(10ms);  // the worker has come to its rest
    };
    edited_and_asked(5);
    const auto before = sqlite3_memory_used();
    edited_and_asked(100);
    EXPECT_LT(sqlite3_memory_used() - before, 10'000) << "100 bytes for each version";
}

// The library opens the journal beside the file, and the system does not return from that: as with a network
// file system whose server is away.
TEST_F(SqliteFiles, AWorkerThatIsStuckDelaysNoEnd) {
    settings.lookup_timeout = 300ms;
    const auto journal = path + "-journal";
    ASSERT_EQ(::mkfifo(journal.c_str(), 0600), 0);
    const auto name = table(by_name);
    const auto late = ask(name, "alice");
    EXPECT_EQ(late.status, Status::retry);
    EXPECT_LT(late.took, 600ms);

    // Should the end wait for the worker, it is let go in a while, so that this test ends, too.
    std::mutex mutex;
    std::condition_variable wake;
    bool over = false;
    std::thread rescue([&] {
        std::unique_lock lock(mutex);
        (void)wake.wait_for(lock, 5s, [&] { return over; });
        if (const int fd = ::open(journal.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC); fd >= 0)
            (void)::close(fd);
    });
    const auto begin = Clock::now();
    tables.reset();
    const auto took = Clock::now() - begin;
    {
        const std::lock_guard lock(mutex);
        over = true;
    }
    wake.notify_all();
    rescue.join();
    EXPECT_LT(took, 2s);
}

}  // namespace
}  // namespace proxyd
