// The log lines when a host fails and when it works again.
#include "proxyd/logging/troubles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxyd/logging/kept_name.h"

namespace proxyd::logging {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class TroublesTest : public testing::Test {
  protected:
    std::vector<std::string> fail(const std::string& text, Trouble trouble = Trouble::lasting) {
        return texts(troubles.failed("host a", without_numbers(text), trouble, "host a: " + text, now));
    }
    std::vector<std::string> return_() {
        return texts(troubles.works_again("host a", "host a answers again", now));
    }
    std::vector<std::string> due() { return texts(troubles.due(now)); }
    static std::vector<std::string> texts(const Troubles::Lines& lines) {
        std::vector<std::string> out;
        for (const auto& line : lines) out.push_back(line.text);
        return out;
    }

    TimePoint now{std::chrono::hours(1)};
    Troubles troubles{seconds(60)};
};

TEST_F(TroublesTest, TheReturnCarriesLengthAndCount) {
    EXPECT_THAT(fail("Connection refused"), ElementsAre("host a: Connection refused"));
    for (int i = 0; i < 26; ++i) {
        now += milliseconds(500);
        EXPECT_THAT(fail("Connection refused"), IsEmpty());
    }
    EXPECT_THAT(return_(),
                ElementsAre("host a answers again after 13.0 s, in which 26 more messages were counted"));
    now += seconds(120);
    EXPECT_THAT(due(), IsEmpty()) << "the host is long back";
    EXPECT_EQ(troubles.subjects(), 0U);
}

TEST_F(TroublesTest, TheNextFailureIsWrittenAtOnce) {
    EXPECT_THAT(fail("Connection refused"), ElementsAre("host a: Connection refused"));
    now += seconds(2);
    EXPECT_THAT(return_(), ElementsAre("host a answers again after 2.0 s"));
    now += seconds(2);
    EXPECT_THAT(fail("Connection refused"), ElementsAre("host a: Connection refused"));
    now += seconds(1);
    EXPECT_THAT(return_(), ElementsAre("host a answers again after 1.0 s"));
}

TEST_F(TroublesTest, NoReturnWithoutAFailure) {
    EXPECT_THAT(return_(), IsEmpty());
    EXPECT_THAT(fail("a connection was lost", Trouble::passing),
                ElementsAre("host a: a connection was lost"));
    EXPECT_THAT(return_(), IsEmpty());
    EXPECT_THAT(fail("Connection refused"), ElementsAre("host a: Connection refused"));
    EXPECT_THAT(return_(), ElementsAre("host a answers again after 0.0 s"));
    EXPECT_THAT(return_(), IsEmpty());
}

TEST_F(TroublesTest, ALongOutageIsToldOfNowAndThen) {
    EXPECT_THAT(fail("Connection refused"), ElementsAre("host a: Connection refused"));
    std::vector<std::string> lines;
    for (int i = 1; i <= 240; ++i) {
        now += milliseconds(500);
        for (const auto& line : fail("Connection refused")) lines.push_back(line);
        for (const auto& line : due()) lines.push_back(line);
    }
    EXPECT_THAT(lines, ElementsAre("host a: Connection refused (119 more like this in the last 60 s)",
                                   "host a: Connection refused (119 more like this in the last 60 s)"));
    EXPECT_THAT(return_(), ElementsAre("host a answers again after 120.0 s"));
}

TEST_F(TroublesTest, WhatIsCountedComesWhenNothingFollows) {
    EXPECT_THAT(fail("lost", Trouble::passing), ElementsAre("host a: lost"));
    EXPECT_THAT(fail("lost", Trouble::passing), IsEmpty());
    EXPECT_THAT(fail("lost", Trouble::passing), IsEmpty());
    now += seconds(59);
    EXPECT_THAT(due(), IsEmpty());
    now += seconds(1);
    EXPECT_THAT(due(),
                ElementsAre("2 earlier messages like this in the last 60 s were counted: host a: lost"));
    now += seconds(60);
    EXPECT_THAT(due(), IsEmpty());
    EXPECT_EQ(troubles.subjects(), 0U);
}

// Connections break 10 times a second.
TEST_F(TroublesTest, ManyReturnsAreCounted) {
    std::vector<std::string> lines;
    const auto keep = [&lines](const std::vector<std::string>& more) {
        lines.insert(lines.end(), more.begin(), more.end());
    };
    for (int i = 0; i < 500; ++i) {
        keep(fail("reset by peer"));
        now += milliseconds(50);
        keep(return_());
        now += milliseconds(50);
    }
    EXPECT_EQ(lines.size(), 7U) << "three pairs, and the failure after them";
    lines.clear();
    now += seconds(60);
    keep(due());
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_THAT(lines.front(),
                testing::MatchesRegex("host a answers again; it failed and came back 497 more times in "
                                      "the last .*, the last time: host a: reset by peer"));
    EXPECT_THAT(fail("reset by peer"), ElementsAre("host a: reset by peer"));
    EXPECT_THAT(return_(), ElementsAre("host a answers again after 0.0 s"));
}

TEST_F(TroublesTest, MessagesThatDifferInIdsAreOneKind) {
    EXPECT_EQ(without_numbers("odyssey: c1a2b3: server 10.0.0.1 is full"),
              "odyssey: #: server #.#.#.# is full");
    EXPECT_THAT(fail("odyssey: c1a2b3: no route"), ElementsAre("host a: odyssey: c1a2b3: no route"));
    EXPECT_THAT(fail("odyssey: c99d00f: no route"), IsEmpty());
    EXPECT_THAT(fail("odyssey: too many clients"), ElementsAre("host a: odyssey: too many clients"));
}

TEST_F(TroublesTest, OneSubjectTellsNothingOfAnother) {
    EXPECT_THAT(fail("Connection refused"), ElementsAre("host a: Connection refused"));
    EXPECT_THAT(texts(troubles.works_again("host b", "host b answers again", now)), IsEmpty());
    EXPECT_THAT(texts(troubles.failed("host b", "x", Trouble::lasting, "host b: x", now)),
                ElementsAre("host b: x"));
}

TEST_F(TroublesTest, AtTheEndAllIsTold) {
    (void)fail("Connection refused");
    EXPECT_THAT(fail("Connection refused"), IsEmpty());
    now += seconds(5);
    EXPECT_THAT(texts(troubles.drain(now)),
                ElementsAre("once more in the last 5 s: host a: Connection refused"));
}

TEST_F(TroublesTest, WithoutAnIntervalAllIsWritten) {
    troubles.set_interval(seconds(0));
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(fail("Connection refused").size(), 1U);
        EXPECT_EQ(fail("Connection refused").size(), 1U);
        EXPECT_EQ(return_().size(), 1U);
    }
}

TEST_F(TroublesTest, TheOldestSubjectMakesRoom) {
    Troubles few(seconds(60), 2);
    for (const auto* name : {"a", "b", "c"}) {
        now += seconds(1);
        EXPECT_EQ(few.failed(name, "x", Trouble::lasting, "x", now).size(), 1U);
    }
    EXPECT_EQ(few.subjects(), 2U);
    EXPECT_THAT(few.works_again("a", "again", now), IsEmpty());
    EXPECT_EQ(few.works_again("c", "again", now).size(), 1U);
}

TEST_F(TroublesTest, OfLongNamesAndTextsTheBeginningIsKept) {
    const std::string name(900000, 'n');
    const std::string kind(900000, 'k');
    const std::string text(900000, 'x');
    EXPECT_EQ(troubles.failed(name, kind, Trouble::lasting, text, now).size(), 1U);
    EXPECT_EQ(troubles.failed(name, kind + "k", Trouble::lasting, text, now).size(), 1U) << "another kind";
    EXPECT_THAT(troubles.failed(name, kept_name(kind), Trouble::lasting, text, now), IsEmpty());
    EXPECT_THAT(troubles.failed(kept_name(name), kind, Trouble::lasting, text, now), IsEmpty());
    EXPECT_EQ(troubles.subjects(), 1U);
    const auto lines = texts(troubles.drain(now));
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_LT(lines[0].size(), 2100U);
}

TEST_F(TroublesTest, KindsBeyondTheFirstFewCountAsOne) {
    std::size_t written = 0;
    for (int i = 0; i < 1000; ++i) {
        written += troubles.failed("s", "kind " + std::to_string(i), Trouble::lasting, "text", now).size();
    }
    EXPECT_EQ(written, 51U);
}

}  // namespace
}  // namespace proxyd::logging
