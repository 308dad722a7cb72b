// When a changed table file is noticed, and what the log says about it.
#include <thread>

#include <sys/resource.h>

#include "proxyd/logging/repeat_limiter.h"
#include "tests/unit/table/table_set_scene.h"

namespace proxyd::table {
namespace {

// The lines that the daemon's log would write: it counts repeated lines of a topic for a while.
class LimitedLog final : public Log {
  public:
    explicit LimitedLog(const FakeLoop& loop) : loop_(loop) { set_log(*this); }
    void write(Severity severity, std::string_view topic, std::string_view text) override {
        if (topic.empty() || limiter_.admit(severity, topic, text, loop_.now()).write)
            lines_.emplace_back(text);
    }
    // The number of lines that contain the text.
    [[nodiscard]] long count(const std::string& text) const {
        return std::count_if(lines_.begin(), lines_.end(),
                             [&](const auto& line) { return line.find(text) != std::string::npos; });
    }

  private:
    const FakeLoop& loop_;
    logging::RepeatLimiter limiter_{1h};
    std::vector<std::string> lines_;
};

class TableChanges : public TableSetScene {
  protected:
    LimitedLog written{loop};
};

// While it exists, the process cannot open files.
class NoMoreDescriptors {
  public:
    NoMoreDescriptors() {
        (void)::getrlimit(RLIMIT_NOFILE, &before_);
        auto none = before_;
        none.rlim_cur = 0;
        (void)::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoMoreDescriptors() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }
    NoMoreDescriptors(const NoMoreDescriptors&) = delete;
    NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

  private:
    rlimit before_{};
};

TEST_F(TableChanges, AFileThatCouldNotBeReadIsTriedAgainThoughItHasNotChanged) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizers need descriptors for their own checks";
#endif
    const auto name = write(ask_a);
    {
        const NoMoreDescriptors now;
        EXPECT_EQ(answer(name), "RETRY");
    }
    for (int i = 0; i < 4; ++i) {
        loop.advance(1100ms);
        EXPECT_EQ(answer(name), "RETRY") << "not read for every lookup";
    }
    EXPECT_EQ(made, 0);
    loop.advance(700ms);
    EXPECT_EQ(answer(name), "RETRY");
    loop.advance(1100ms);
    EXPECT_EQ(answer(name), "a");
    EXPECT_EQ(made, 1);
}

// The old version stays in force until then.
TEST_F(TableChanges, AChangeThatCouldNotBeReadIsTriedAgainThoughTheFileHasNotChangedSince) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the sanitizers need descriptors for their own checks";
#endif
    const auto name = write(ask_a);
    EXPECT_EQ(answer(name), "a");
    write(ask_b);
    {
        const NoMoreDescriptors now;
        wait_for_looks(name);
    }
    EXPECT_EQ(answer(name), "a");
    EXPECT_EQ(tables.troubles().size(), 1U);
    loop.advance(5100ms);
    EXPECT_EQ(answer(name), "b");
    EXPECT_TRUE(tables.troubles().empty());
}

// A request for the troubles must not make a file count as settled while it is still being written.
TEST_F(TableChanges, TheTroublesAreThoseOfFilesThatHaveSettled) {
    const auto name = write(ask_a);
    EXPECT_EQ(answer(name), "a");
    write("query SELECT\n");
    loop.advance(1100ms);
    EXPECT_EQ(answer(name), "a");
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(tables.troubles().empty());
    loop.advance(1100ms);
    const auto troubles = tables.troubles();
    ASSERT_EQ(troubles.size(), 1U);
    EXPECT_EQ(troubles.front().name, name);
}

TEST_F(TableChanges, AFileThatStaysBrokenIsReadEveryFewSecondsAtMost) {
    const auto name = write("query = %q\n");
    EXPECT_EQ(answer(name), "RETRY");
    write(ask_a, "good.cf");
    for (int i = 0; i < 3; ++i) {
        loop.advance(5100ms);
        EXPECT_EQ(answer(name), "RETRY");
    }
    EXPECT_EQ(written.count("%q"), 1) << "once for the file and for those who ask";
}

TEST_F(TableChanges, TheWarningsOfAFileThatStaysBrokenAreWrittenOnce) {
    const auto name = write(ask_a);
    EXPECT_EQ(answer(name), "a");
    write(ask_a + "domain = x.org # a comment\nexpansion_limit = many\n");
    wait_for_looks(name);
    for (int i = 0; i < 3; ++i) {
        loop.advance(5100ms);
        EXPECT_EQ(answer(name), "a");
    }
    EXPECT_EQ(written.count("no comments at the end of a line"), 1);
}

TEST_F(TableChanges, AFileThatCannotBeReadIsNamedOnce) {
    const auto path = directory + "/missing.cf";
    EXPECT_EQ(answer("fake:" + path), "RETRY");
    EXPECT_EQ(written.count("fake:" + path + " is unavailable. " + path +
                            ": cannot be read: No such file or directory"),
              1);
    EXPECT_EQ(written.count(path), 1);
}

// Only a file that may still be written needs two looks. File times come from the system's clock, so this
// test uses the real clock.
TEST_F(TableChanges, AChangeThatIsOldEnoughIsTakenOverAtTheFirstLook) {
    const auto name = write(ask_a);
    EXPECT_EQ(answer(name), "a");
    loop.advance(10s);
    write(ask_b);
    std::this_thread::sleep_for(1050ms);
    EXPECT_EQ(answer(name), "b");
}

TEST_F(TableChanges, AMissingFileThatItNamesDoesNotAskForASecondLook) {
    const auto name = write(ask_a + "domain = " + directory + "/missing\n");
    EXPECT_EQ(answer(name), "RETRY");
    loop.advance(10s);
    write(ask_b);
    std::this_thread::sleep_for(1050ms);
    EXPECT_EQ(answer(name), "b");
}

// With an empty list, Postfix would reject all mail to those domains.
TEST_F(TableChanges, AListOfDomainsThatIsEmptyOrAwayForAMomentStays) {
    write("# domains\n  example.com\n", "list");
    const auto name = write(ask_a + "domain = " + directory + "/list\n");
    EXPECT_EQ(answer(name), "a");
    write("", "list");
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "a");
    ASSERT_EQ(tables.troubles().size(), 1U);
    EXPECT_NE(tables.troubles().front().problem.find("holds no domain any more"), std::string::npos);
    std::filesystem::remove(directory + "/list");
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "a");
    EXPECT_EQ(tables.troubles().size(), 1U);
    write("example.org\n", "list");
    wait_for_looks(name);
    EXPECT_EQ(answer(name), "NOT FOUND");
    EXPECT_TRUE(tables.troubles().empty());
    // A reload makes the empty list effective.
    write("", "list");
    wait_for_looks(name);
    EXPECT_EQ(answer(name, "user@example.org"), "a");
    tables.reload({});
    EXPECT_EQ(answer(name, "user@example.org"), "NOT FOUND");
    EXPECT_TRUE(tables.troubles().empty());
}

TEST_F(TableChanges, ATableThatBreaksAgainIsLoggedAgainAtOnce) {
    const std::string failing = "query = SELECT '%s'\nanswer = fails\n";
    const auto name = write(failing);
    for (int round = 1; round <= 3; ++round) {
        for (int i = 0; i < 5; ++i) EXPECT_EQ(answer(name), "RETRY");
        EXPECT_EQ(written.count("lookup error: bad"), round);
        write(ask_a);
        wait_for_looks(name);
        EXPECT_EQ(answer(name), "a");
        write(failing);
        wait_for_looks(name);
    }
}

TEST_F(TableChanges, AFileThatBreaksAgainIsLoggedAgainAtOnce) {
    const auto name = write(ask_a);
    EXPECT_EQ(answer(name), "a");
    for (int round = 1; round <= 3; ++round) {
        write("query = %q\n");
        wait_for_looks(name);
        for (int i = 0; i < 3; ++i) EXPECT_EQ(answer(name), "a");
        EXPECT_EQ(written.count("stays as it was"), round);
        write(ask_b);
        wait_for_looks(name);
        EXPECT_EQ(answer(name), "b");
        write(ask_a);
        wait_for_looks(name);
    }
}

}  // namespace
}  // namespace proxyd::table
