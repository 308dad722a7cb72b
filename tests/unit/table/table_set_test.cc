// Tables by name: they are read at first use, follow changes of their files, and do not affect each other.
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/unit/table/table_set_scene.h"

namespace proxyd::table {
namespace {

using TableSetTest = TableSetScene;

TEST_F(TableSetTest, AFileIsReadOnceAndAgainWhenItChanged) {
    const auto name = write(ask_a);
    EXPECT_EQ(answer(name), "a");
    EXPECT_EQ(answer(name), "a");
    wait_for_looks(name);
    EXPECT_EQ(made, 1);
    write(ask_b);
    EXPECT_EQ(answer(name), "a") << "nobody looks at the file for every lookup";
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "b");
    EXPECT_EQ(made, 2);
}

TEST_F(TableSetTest, AFileThatIsBeingWrittenIsLeftAlone) {
    const auto name = write(ask_a);
    EXPECT_EQ(answer(name), "a");
    for (int i = 0; i < 10; ++i) {
        write("query = SELECT '%s'\nanswer = " + std::string(static_cast<std::size_t>(i + 2), 'x') + "\n");
        loop.advance(1100ms);
        EXPECT_EQ(answer(name), "a") << i;
    }
    wait_for_looks(name);
    EXPECT_EQ(answer(name), std::string(11, 'x'));
}

TEST_F(TableSetTest, ABrokenNewVersionIsRefusedAndTheOldOneStays) {
    const auto name = write(ask_a);
    EXPECT_EQ(answer(name), "a");
    for (const auto* broken :
         {"query = SELECT '%z'\n", "nonsense\n", "query = SELECT 1\nexpansion_limit = abc\n",
          "query = SELECT 1\nresult_format =\n", "", "answer = x\n"}) {
        write(broken);
        wait_for_looks(name);
        EXPECT_EQ(answer(name), "a") << broken;
    }
    std::filesystem::remove(directory + "/t.cf");
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "a") << "removed";
    write(ask_b);
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "b");
}

TEST_F(TableSetTest, AMissingFileMayAppearLater) {
    const auto name = "fake:" + directory + "/t.cf";
    EXPECT_EQ(answer(name), "RETRY");
    EXPECT_EQ(answer(name), "RETRY");
    write(ask_a);
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "a");
}

TEST_F(TableSetTest, ABrokenTableHarmsNoOther) {
    const auto broken = write("query = %q\n", "broken.cf");
    const auto good = write(ask_a);
    EXPECT_EQ(answer(broken), "RETRY");
    EXPECT_EQ(answer(good), "a");
    for (const auto* name :
         {"fake:", "nosuch:/x", "", "fake", "fake:name", ":", "fake:/nonexistent/t.cf", "fake:/"}) {
        EXPECT_EQ(answer(name), "RETRY") << name;
    }
}

TEST_F(TableSetTest, ALookupUnderWayEndsWithTheVersionItBeganWith) {
    const auto name = write("query = SELECT '%s'\nanswer = later\nresult_format = old %s\n");
    std::string got;
    int answers = 0;
    tables.lookup(name, "k@example.com", {false, false}, [&](const LookupResult& result) {
        ++answers;
        got = result.value;
    });
    write(ask_b);
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "b");
    ASSERT_EQ(kept.size(), 1U);
    const EchoRows rows("value");
    auto callback = std::move(kept.front());
    kept.clear();
    callback({&rows, {}});
    EXPECT_EQ(got, "old value");
    EXPECT_EQ(answers, 1);
}

TEST_F(TableSetTest, ADomainListInAFileIsFollowed) {
    std::ofstream(directory + "/domains") << "example.com\n";
    const auto name = write(ask_a + "domain = " + directory + "/domains\n");
    EXPECT_EQ(answer(name), "a");
    EXPECT_EQ(answer(name, "x@example.org"), "NOT FOUND");
    EXPECT_EQ(answer(name, "plain"), "NOT FOUND");
    std::ofstream(directory + "/domains") << "example.org\n";
    wait_for_looks(name);
    EXPECT_EQ(answer(name, "x@example.org"), "a");
    EXPECT_EQ(answer(name), "NOT FOUND");
}

TEST_F(TableSetTest, ADomainTableIsAskedForTheDomain) {
    const auto domains = write("query = SELECT '%s'\nanswer = yes\n", "domains.cf");
    const auto name = write(ask_a + "domain = " + domains + "\n");
    EXPECT_EQ(answer(name), "a");
    EXPECT_EQ(answer(name, "plain"), "NOT FOUND");
    write("query = SELECT '%s'\n", "domains.cf");
    wait_for_looks(domains);
    EXPECT_EQ(answer(name), "NOT FOUND");
    write("query = SELECT '%s'\nanswer = fails\n", "domains.cf");
    wait_for_looks(domains);
    EXPECT_EQ(answer(name), "RETRY");
    EXPECT_EQ(answer(name, "plain"), "NOT FOUND") << "no domain, no question";
    EXPECT_EQ(answer(write(ask_a + "domain = fake:/nonexistent\n", "u.cf")), "RETRY");
}

TEST_F(TableSetTest, TablesMadeOfOthersAreServedWhenAllOfTheseAre) {
    const auto a = write(ask_a, "a.cf");
    const auto b = write("query = SELECT '%s'\nanswer = b\n", "b.cf");
    for (const auto& table : {a, "unionmap:{" + a + "}", "pipemap:{unionmap:{" + a + "}, " + b + " }"}) {
        EXPECT_TRUE(tables.serves(table)) << table;
    }
    for (const auto& table :
         {std::string("hash:/a"), "unionmap:{" + a + ",hash:/a}", std::string("unionmap:{}"),
          "pipemap:{unionmap:{hash:/a}," + a + "}", "unionmap:" + a, "unionmap:{proxy:" + a + "}"}) {
        EXPECT_FALSE(tables.serves(table)) << table;
    }
    EXPECT_EQ(answer("unionmap:{" + a + "," + b + "}"), "a,b");
    EXPECT_EQ(answer("pipemap:{" + a + "," + b + "}"), "b");
    EXPECT_EQ(answer("unionmap:{" + a + ",fake:/nonexistent}"), "RETRY");
    EXPECT_EQ(tables.inspect("unionmap:{" + a + "}").members, std::vector{a});
    // A corrected member is used at once.
    write("query = SELECT '%s'\nanswer = c\n", "b.cf");
    wait_for_looks(b);
    EXPECT_EQ(answer("unionmap:{" + a + "," + b + "}"), "a,c");
}

TEST_F(TableSetTest, ATableThatNamesItselfAsItsDomains) {
    const auto name = "fake:" + directory + "/t.cf";
    write(ask_a + "domain = " + name + "\n");
    EXPECT_EQ(answer(name), "NOT FOUND");
}

TEST_F(TableSetTest, MainCfTablesFollowAReload) {
    const auto reload = [this](const std::string& value) {
        TableSetOptions options;
        options.main_cf = [value](const std::string& name) -> std::optional<std::string> {
            if (name == "site_query") return "SELECT '%s'";
            if (name == "site_answer") return value;
            return std::nullopt;
        };
        tables.reload(std::move(options));
    };
    EXPECT_EQ(answer("fake:site"), "RETRY");
    reload("one");
    EXPECT_EQ(answer("fake:site"), "one");
    reload("two");
    EXPECT_EQ(answer("fake:site"), "two");
    EXPECT_EQ(answer("fake:other"), "RETRY");
}

TEST_F(TableSetTest, ARelativePathIsToldFromMainCfParametersThatAreMissing) {
    TableSetOptions options;
    options.main_cf = [](const std::string& name) -> std::optional<std::string> {
        if (name == "a/site_query") return "SELECT '%s'";
        if (name == "a/site_answer") return "one";
        return std::nullopt;
    };
    tables.reload(std::move(options));
    const auto errors = [this](const std::string& name) {
        return fmt::format("{}", fmt::join(tables.inspect(name).errors, ", "));
    };
    EXPECT_THAT(errors("fake:sql/x.cf"), testing::HasSubstr("the name does not begin with \"/\""));
    EXPECT_THAT(errors("fake:x"), testing::Not(testing::HasSubstr("begin")));
    EXPECT_EQ(answer("fake:a/site"), "one");
}

TEST(FileStamp, TellsEveryChange) {
    const std::string path = testing::TempDir() + "stamp-" + std::to_string(getpid());
    EXPECT_FALSE(stamp_of(path).exists);
    std::ofstream(path) << "a";
    const auto first = stamp_of(path);
    EXPECT_TRUE(first.exists);
    EXPECT_EQ(stamp_of(path), first);
    std::ofstream(path + ".new") << "b";
    std::filesystem::rename(path + ".new", path);
    const auto replaced = stamp_of(path);
    EXPECT_NE(replaced, first);
    std::filesystem::permissions(path, std::filesystem::perms::owner_read);
    EXPECT_NE(stamp_of(path), replaced);
    std::filesystem::remove(path);
    EXPECT_EQ(stamp_of(path), FileStamp{});
}

TEST(TableParameters, ReadsValuesAndCollectsFaults) {
    std::string error;
    config::ParameterFile file;
    const auto path = testing::TempDir() + "parameters-" + std::to_string(getpid());
    std::ofstream(path)
        << "a = x\nempty =\nnumber = 12\nbad = 1x\nyes = Yes\nmaybe = maybe\nnegative = -3\nlarge = "
           "99999999999\n";
    auto read = config::read_parameter_file(path, error);
    ASSERT_TRUE(read) << error;
    auto parameters = TableParameters::from_file(std::move(*read));
    std::filesystem::remove(path);
    EXPECT_EQ(parameters.text("a"), "x");
    EXPECT_EQ(parameters.text("empty"), std::nullopt);
    EXPECT_EQ(parameters.raw("empty"), "");
    EXPECT_EQ(parameters.text("none", "d"), "d");
    EXPECT_EQ(parameters.integer("number", 1), 12);
    EXPECT_EQ(parameters.integer("none", 7), 7);
    EXPECT_EQ(parameters.integer("negative", 7), -3);
    EXPECT_TRUE(parameters.boolean("yes", false));
    EXPECT_TRUE(parameters.boolean("none", true));
    EXPECT_TRUE(parameters.errors().empty());
    EXPECT_EQ(parameters.integer("bad", 5), 5);
    EXPECT_EQ(parameters.integer("large", 5), 5);
    EXPECT_EQ(parameters.integer("empty", 5), 5);
    EXPECT_EQ(parameters.integer("negative", 5, 1), 5);
    (void)parameters.boolean("maybe", true);
    (void)parameters.required("empty", "d");
    EXPECT_EQ(parameters.required("none", "d"), "d");
    ASSERT_EQ(parameters.errors().size(), 6U);
    EXPECT_NE(parameters.describe(parameters.errors()[0]).find("line 4: bad = 1x"), std::string::npos)
        << parameters.describe(parameters.errors()[0]);
}

}  // namespace
}  // namespace proxyd::table
