// SQLite tables, with real files.
#include <algorithm>
#include <cstring>

#include <sys/stat.h>

#include "tests/database/sqlite_scene.h"

namespace proxyd {
namespace {

class Sqlite : public SqliteScene {};

TEST_F(Sqlite, AnswersAsTheDatabaseSays) {
    struct Row {
        const char* query;
        const char* key;
        const char* expected;
    };
    const Row rows[] = {
        {"SELECT target FROM alias WHERE address = '%s'", "alice", "alice1"},
        {"SELECT target FROM alias WHERE address = '%s'", "nobody", "NOT FOUND"},
        {"SELECT target FROM alias WHERE address = '%s'", "o'brien", "obrien"},
        {"SELECT target, number FROM alias WHERE address = '%s'", "alice", "alice1"},
        {"SELECT number FROM alias WHERE address = '%s'", "alice", "42"},
        {"SELECT number + 0.5 FROM alias WHERE address = '%s'", "alice", "42.5"},
        {"SELECT target FROM alias WHERE address = '%s'", "nul", "a"},
        {"SELECT target FROM alias WHERE address = '%s'", "blob", "ab"},
        {"SELECT target FROM alias WHERE number = '%s'", "42", "alice1"},
        {"SELECT target FROM alias WHERE number = %s", "42", "alice1"},
        {"SELECT '%s' + 1", "41", "42"},
        {"SELECT typeof('%s')", "41", "text"},
        {"SELECT 'one'; SELECT 'two'", "x", "one"},
        {"SELECT 'a' UNION ALL SELECT NULL UNION ALL SELECT '' UNION ALL SELECT 'b'", "x", "a,b"},
        {"SELECT NULL", "x", "NOT FOUND"},
        {"-- nothing", "x", "RETRY"},
        {"/* nothing */", "x", "RETRY"},
        {"SELECT abs(-9223372036854775808)", "x", "RETRY"},
        {"SELECT x FROM nosuch", "x", "RETRY"},
        {"SELEC", "x", "RETRY"},
        {"UPDATE alias SET number = 1", "x", "RETRY"},
        {"INSERT INTO alias VALUES ('%s', 'y', 1)", "x", "RETRY"},
        {"CREATE TABLE t (x)", "x", "RETRY"},
    };
    int number = 0;
    for (const auto& row : rows) {
        const auto name = table(row.query, "s" + std::to_string(++number) + ".cf");
        for (int again = 0; again < 2; ++again) EXPECT_EQ(answer(name, row.key), row.expected) << row.query;
    }
}

TEST_F(Sqlite, ALockedFileIsWaitedForAndDelaysNoOtherFile) {
    settings.lookup_timeout = 600ms;
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    make(directory + "/other.db", "other");
    const auto other =
        "sqlite:" + write("o.cf", "dbpath = " + directory + "/other.db\nquery = " + by_name + "\n");
    sqlite3* writer = nullptr;
    sqlite3_open(path.c_str(), &writer);
    ASSERT_EQ(sqlite3_exec(writer, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
    const auto late = start(name, "alice");
    const auto behind = start(name, "o'brien");
    run_for(100ms);
    const auto beside = ask(other, "alice");
    EXPECT_EQ(beside.value, "other");
    EXPECT_LT(beside.took, 200ms);
    EXPECT_EQ(late->answers, 0);
    EXPECT_TRUE(run_until([&] { return late->answers + behind->answers == 2; }));
    EXPECT_EQ(late->status, Status::retry);
    EXPECT_EQ(behind->status, Status::retry);
    EXPECT_GE(late->took, 500ms);
    EXPECT_LT(late->took, 750ms);
    EXPECT_LT(behind->took, 750ms);
    const auto patient = start(name, "alice");
    run_for(100ms);
    ASSERT_EQ(sqlite3_exec(writer, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
    EXPECT_TRUE(run_until([&] { return patient->answers > 0; }, 200ms));
    EXPECT_EQ(patient->value, "alice1");
    sqlite3_close(writer);
}

TEST_F(Sqlite, WithOneHandleALookupBehindALongOneIsAnsweredAtItsOwnDeadline) {
    settings.pool_size = 1;
    settings.lookup_timeout = 2000ms;
    const auto slow = table(
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c", "slow.cf");
    tables->open(slow);
    settings.lookup_timeout = 300ms;
    const auto name = table(by_name);
    const auto first = start(slow, "x");
    run_for(50ms);
    const auto second = ask(name, "alice");
    EXPECT_EQ(second.status, Status::retry);
    EXPECT_LT(second.took, 450ms);
    EXPECT_TRUE(run_until([&] { return first->answers > 0; }));
    EXPECT_EQ(first->status, Status::retry);
    EXPECT_LT(first->took, 2200ms);
    EXPECT_EQ(answer(name, "alice"), "alice1");
}

TEST_F(Sqlite, AnAnswerDoesNotWaitForALongQueryThatWasAskedWithIt) {
    settings.lookup_timeout = 3s;
    const auto name = table(by_name);
    const auto slow = table(
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c", "slow.cf");
    EXPECT_EQ(answer(name, "alice"), "alice1");
    tables->open(slow);
    const auto quick = start(name, "alice");
    const auto endless = start(slow, "x");
    EXPECT_TRUE(run_until([&] { return quick->answers == 1; }));
    EXPECT_EQ(quick->value, "alice1");
    EXPECT_EQ(endless->answers, 0);
    EXPECT_TRUE(run_until([&] { return endless->answers == 1; }));
}

// Of a function that takes long the library does not tell.
TEST_F(Sqlite, AnAnswerDoesNotWaitForALongFunctionThatWasAskedWithIt) {
    settings.lookup_timeout = 1s;
    const auto name = table(by_name);
    const auto slow =
        table("SELECT 'done' WHERE instr(hex(zeroblob(100000)), hex(zeroblob(30000)) || '1') = 0", "slow.cf");
    EXPECT_EQ(answer(name, "alice"), "alice1");
    tables->open(slow);
    std::vector<std::shared_ptr<Lookup>> quick;
    for (int i = 0; i < 5; ++i) quick.push_back(start(name, "alice"));
    const auto blocking = start(slow, "x");
    EXPECT_TRUE(run_until([&] {
        return std::all_of(quick.begin(), quick.end(), [](const auto& one) { return one->answers == 1; });
    }));
    EXPECT_EQ(blocking->answers, 0);
    for (const auto& one : quick) EXPECT_EQ(shown(*one), "alice1");
    EXPECT_TRUE(run_until([&] { return blocking->answers == 1; }));
}

// The last answer of the old file lets go of it while others are handed out.
TEST_F(Sqlite, TablesThatChangeWhileTheirFileIsLocked) {
    const auto patient = table(by_name, "patient.cf");
    tables->open(patient);
    settings.lookup_timeout = 200ms;
    const auto hasty = table(by_name, "hasty.cf");
    EXPECT_EQ(answer(patient, "alice"), "alice1");
    EXPECT_EQ(answer(hasty, "alice"), "alice1");
    sqlite3* writer = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &writer), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(writer, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
    const auto first = start(patient, "alice");
    run_for(20ms);
    const auto second = start(patient, "alice");
    const auto third = start(hasty, "alice");
    EXPECT_TRUE(run_until([&] { return third->answers == 1; }));
    path = directory + "/else.db";
    make(path, "elsewhere");
    settings.lookup_timeout = 10s;
    (void)table(by_name, "patient.cf");
    (void)table(by_name, "hasty.cf");
    tables->reload({{}, {}, [this](table::TableParameters&) { return settings; }});
    EXPECT_EQ(answer(patient, "alice"), "elsewhere");
    EXPECT_EQ(answer(hasty, "alice"), "elsewhere");
    EXPECT_EQ(first->answers + second->answers, 0);
    sqlite3_close(writer);
    EXPECT_TRUE(run_until([&] { return first->answers + second->answers == 2; }));
    EXPECT_EQ(shown(*first), "alice1");
    EXPECT_EQ(shown(*second), "alice1");
    EXPECT_EQ(third->answers, 1);
}

TEST_F(Sqlite, AFileThatIsReplaced) {
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    make(directory + "/new.db", "alice2");
    std::filesystem::rename(directory + "/new.db", path);
    EXPECT_EQ(answer(name, "alice"), "alice2");
    std::filesystem::remove(path);
    EXPECT_EQ(answer(name, "alice"), "RETRY");
    EXPECT_FALSE(std::filesystem::exists(path));
    make(path, "alice3");
    EXPECT_EQ(answer(name, "alice"), "alice3");
    write("junk", std::string(5000, 'x'));
    std::filesystem::rename(directory + "/junk", path);
    EXPECT_EQ(answer(name, "alice"), "RETRY");
    make(directory + "/new.db", "alice4");
    std::filesystem::copy_file(directory + "/new.db", path,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(answer(name, "alice"), "alice4");
}

// Such queries are of no use for mail; but what they leave would be another table's.
TEST_F(Sqlite, WhatIsNoQueryLeavesNothingToOtherTables) {
    const auto name = table("SELECT target FROM alias WHERE address LIKE '%s'", "good.cf");
    EXPECT_EQ(answer(name, "ALICE"), "alice1");
    (void)answer(table("CREATE TEMP TABLE alias AS SELECT 'alice' AS address, 'strange' AS target"), "x");
    EXPECT_EQ(answer(name, "alice"), "alice1");
    (void)answer(table("PRAGMA case_sensitive_like = 1", "pragma.cf"), "x");
    EXPECT_EQ(answer(name, "ALICE"), "alice1");
    const auto other = directory + "/other.db";
    sql(other, "CREATE TABLE only_there (target TEXT); INSERT INTO only_there VALUES ('strange')");
    (void)answer(table("ATTACH '" + other + "' AS o", "attach.cf"), "x");
    EXPECT_EQ(answer(table("SELECT target FROM only_there WHERE '%s' <> ''", "t.cf"), "x"), "RETRY");
    EXPECT_EQ(answer(name, "alice"), "alice1");
}

TEST_F(Sqlite, AFileThatIsMissingAtFirst) {
    path = directory + "/later.db";
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "RETRY");
    EXPECT_FALSE(std::filesystem::exists(path));
    make(path, "late");
    EXPECT_EQ(answer(name, "alice"), "late");
}

TEST_F(Sqlite, ChangesAreSeen) {
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    sql(path, "UPDATE alias SET target = 'alice2'");
    EXPECT_EQ(answer(name, "alice"), "alice2");
    sql(path, "DROP TABLE alias");
    EXPECT_EQ(answer(name, "alice"), "RETRY");
    sql(path,
        "CREATE TABLE alias (number INT, target TEXT, address TEXT); INSERT INTO alias VALUES (1, 'alice3', "
        "'alice')");
    EXPECT_EQ(answer(name, "alice"), "alice3");
}

TEST_F(Sqlite, WriteAheadLogAndAWriterThatNeverEnds) {
    sqlite3* writer = nullptr;
    sqlite3_open(path.c_str(), &writer);
    ASSERT_EQ(
        sqlite3_exec(writer, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; UPDATE alias SET target = 'no'",
                     nullptr, nullptr, nullptr),
        SQLITE_OK);
    const auto name = table(by_name);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    ASSERT_EQ(sqlite3_exec(writer, "UPDATE alias SET target = 'yes'; COMMIT", nullptr, nullptr, nullptr),
              SQLITE_OK);
    EXPECT_EQ(answer(name, "alice"), "yes");
    sqlite3_close(writer);
    EXPECT_EQ(answer(name, "alice"), "yes");
}

TEST_F(Sqlite, ManyLookupsAtOnceLeaveTheFileUnlocked) {
    const std::pair<std::string, std::string> rows[] = {
        {table("SELECT target FROM alias WHERE address = '%u'", "bound.cf"), "alice1"},
        {table("SELECT target FROM alias WHERE number = %s + 42", "expanded.cf"), "RETRY"},
        {table("SELECT target FROM nosuch", "nosuch.cf"), "RETRY"},
        {table("BEGIN", "begin.cf"), "NOT FOUND"},
        {table("PRAGMA journal_mode", "pragma.cf"), "delete"},
        {table("UPDATE alias SET target = 'no'", "update.cf"), "RETRY"},
        {table("SELECT abs(-9223372036854775808)", "error.cf"), "RETRY"},
    };
    for (const auto& [name, expected] : rows) EXPECT_EQ(answer(name, "alice@first"), expected) << name;
    std::vector<std::pair<std::shared_ptr<Lookup>, std::string>> all;
    for (int i = 0; i < 20; ++i) {
        for (const auto& [name, expected] : rows)
            all.emplace_back(start(name, "alice@" + std::to_string(i)), expected);
    }
    EXPECT_TRUE(run_until([&] {
        return std::all_of(all.begin(), all.end(), [](auto& one) { return one.first->answers == 1; });
    }));
    for (const auto& [one, expected] : all) EXPECT_EQ(shown(*one), expected);
    sql(path, "UPDATE alias SET target = 'alice2'");
    EXPECT_EQ(answer(rows[0].first, "alice@last"), "alice2");
}

TEST_F(Sqlite, ALookupBehindALongOneSeesWhatWasWrittenMeanwhile) {
    settings.pool_size = 1;
    settings.lookup_timeout = 60s;
    sql(path, "PRAGMA journal_mode = WAL");
    const auto name = table(by_name);
    const auto slow = table(
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 2000000) SELECT max(x) FROM c, "
        "(SELECT target FROM alias LIMIT 1)",
        "slow.cf");
    EXPECT_EQ(answer(name, "alice"), "alice1");
    tables->open(slow);
    const auto first = start(slow, "x");
    const auto behind = start(name, "alice");
    run_for(30ms);
    EXPECT_EQ(first->answers, 0);
    sql(path, "UPDATE alias SET target = 'alice2'");
    EXPECT_TRUE(run_until([&] { return behind->answers == 1; }, 60s));
    EXPECT_EQ(shown(*behind), "alice2");
}

// What writes can be prepared, and never works.
TEST_F(Sqlite, ATrialFindsAQueryThatWrites) {
    EXPECT_NE(check(table("INSERT INTO alias VALUES ('%s', 'y', 1) RETURNING address"))
                  .find("the query writes, and SQLite files are opened for reading only: every lookup fails"),
              std::string::npos);
}

TEST_F(Sqlite, AReadOnlyDirectory) {
    chmod(directory.c_str(), 0555);
    chmod(path.c_str(), 0444);
    EXPECT_EQ(answer("sqlite:" + directory + "/missing.cf", "alice"), "RETRY");
    chmod(directory.c_str(), 0755);
    const auto name = table(by_name);
    chmod(directory.c_str(), 0555);
    EXPECT_EQ(answer(name, "alice"), "alice1");
    chmod(directory.c_str(), 0755);
}

TEST_F(Sqlite, MoreThanTheQueueLimitIsRefused) {
    settings.queue_limit = 5;
    settings.lookup_timeout = 500ms;
    const auto name =
        table("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c");
    std::vector<std::shared_ptr<Lookup>> all;
    for (int i = 0; i < 20; ++i) all.push_back(start(name, "x" + std::to_string(i)));
    run_for(100ms);
    const auto done =
        std::count_if(all.begin(), all.end(), [](const auto& one) { return one->answers == 1; });
    EXPECT_GE(done, 14);
    run_for(500ms);
    for (const auto& one : all) EXPECT_EQ(one->answers, 1);
}

TEST_F(Sqlite, TheEndOfATableAnswersItsLookups) {
    settings.lookup_timeout = 300ms;
    const auto name =
        table("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c");
    std::vector<std::shared_ptr<Lookup>> old;
    for (int i = 0; i < 5; ++i) old.push_back(start(name, "x"));
    run_for(20ms);
    make(directory + "/else.db", "elsewhere");
    path = directory + "/else.db";
    (void)table(by_name);
    tables->reload({{}, {}, [this](table::TableParameters&) { return settings; }});
    EXPECT_EQ(answer(name, "alice"), "elsewhere");
    run_for(400ms);
    for (const auto& one : old) EXPECT_EQ(one->answers, 1);
}

// Without SMTPUTF8, what is not ASCII counts as it stands, in the list and in the key.
TEST_F(Sqlite, WithoutUtf8DomainsFoldAsTheirListDoes) {
    auto without = options();
    without.utf8 = false;
    tables->reload(without);
    const auto name = "sqlite:" + write("d.cf", "dbpath = " + path +
                                                    "\nquery = SELECT 'found'\nresult_format = %s %S\n"
                                                    "domain = straße.de Ünï.example ascii.example\n");
    const auto folded = [&](const std::string& key) {
        std::string got;
        tables->lookup(name, key, {false, true}, [&](const table::LookupResult& result) {
            got = result.status == Status::ok ? result.value : "NOT FOUND";
        });
        run_until([&] { return !got.empty(); });
        return got;
    };
    EXPECT_EQ(folded("x@straße.de"), "found x@straße.de");
    EXPECT_EQ(folded("x@Ünï.example"), "found x@Ünï.example");
    EXPECT_EQ(folded("x@ünï.example"), "NOT FOUND");
    EXPECT_EQ(folded("x@ASCII.example"), "found x@ascii.example");
}

}  // namespace
}  // namespace proxyd
