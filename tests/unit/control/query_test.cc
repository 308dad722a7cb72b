#include "proxyd/control/client/query.h"

#include <filesystem>
#include <map>
#include <optional>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/flags.h"
#include "proxyd/control/client/proxymap_connection.h"

namespace proxyd::control {
namespace {

namespace flag = protocol::flag;
using protocol::Command;
using protocol::Status;
using testing::ElementsAre;
using testing::HasSubstr;

// A daemon with one table.
class Daemon {
  public:
    std::map<std::string, std::string> values;
    std::map<std::string, Status> failures;
    Status open_status = Status::ok;
    std::optional<protocol::Layout> only_layout;  // another layout is malformed, as for the stock server
    int malformed = 0;
    protocol::Flags open_flags = flag::fixed;
    std::vector<std::string> asked;
    std::vector<protocol::Flags> lookup_flags;
    protocol::Layout layout = protocol::Layout::flags;  // of the last request

    Answer answer(const protocol::Request& request) {
        EXPECT_EQ(request.table, "sqlite:/a.cf");
        if (only_layout && request.layout != *only_layout) {
            ++malformed;
            return {Status::bad, 0, ""};
        }
        layout = request.layout;
        if (request.command == Command::open)
            return {open_status, request.flags | request.instance_flags | open_flags, ""};
        const std::string key(request.key);
        asked.push_back(key);
        lookup_flags.push_back(request.flags);
        if (const auto failure = failures.find(key); failure != failures.end())
            return {failure->second, 0, ""};
        const auto found = values.find(key);
        const auto flags = protocol::echoed_flags(request);
        if (found == values.end()) return {Status::nokey, flags, ""};
        return {Status::ok, flags, found->second};
    }
};

class QueryTest : public testing::Test {
  protected:
    int run(const std::vector<std::string>& keys) {
        const Ask ask = [this](const protocol::Request& request) { return daemon.answer(request); };
        return query(settings, keys, ask, out, warnings);
    }
    int run_lines(const std::string& lines) {
        std::istringstream in(lines);
        return query_lines(
            settings, in, [this](const protocol::Request& request) { return daemon.answer(request); }, out,
            warnings);
    }
    std::string error_of(const std::vector<std::string>& keys) {
        try {
            (void)run(keys);
        } catch (const QueryError& error) {
            return error.what();
        }
        return "no error";
    }

    Daemon daemon;
    QuerySettings settings{"proxy:sqlite:/a.cf", true, "HINT", "LOG"};
    std::ostringstream out;
    std::ostringstream warnings;
};

TEST_F(QueryTest, OneKeyPrintsItsValueAlone) {
    daemon.values = {{"a@b", "one,two"}};
    EXPECT_EQ(run({"a@b"}), 0);
    EXPECT_EQ(out.str(), "one,two\n");
}

TEST_F(QueryTest, MissPrintsNothingAndExitsWithOne) {
    EXPECT_EQ(run({"a@b"}), 1);
    EXPECT_EQ(out.str() + warnings.str(), "");
}

TEST_F(QueryTest, SeveralKeysPrintKeyAndValueOfThoseFound) {
    daemon.values = {{"a", "1"}, {"c", "3"}};
    EXPECT_EQ(run({"A", "b", "c"}), 0);
    EXPECT_EQ(out.str(), "A\t1\nc\t3\n");
}

TEST_F(QueryTest, LinesAreKeys) {
    daemon.values = {{"a", "1"}, {"b c", "2"}};
    EXPECT_EQ(run_lines("a\nnone\nb c"), 0);
    EXPECT_EQ(out.str(), "a\t1\nb c\t2\n");
    EXPECT_EQ(run_lines("none\n"), 1);
    EXPECT_EQ(run_lines(""), 1);
}

TEST_F(QueryTest, EmptyValueIsStillFound) {
    daemon.values = {{"a", ""}};
    EXPECT_EQ(run({"a"}), 0);
    EXPECT_EQ(out.str(), "\n");
}

// Postfix clients with SMTPUTF8 switched on fold keys themselves, and do not ask the server to.
TEST_F(QueryTest, FoldsItselfWithSmtputf8) {
    EXPECT_EQ(run({"\xC3\x9C@B"}), 1);
    EXPECT_THAT(daemon.asked, ElementsAre("\xC3\xBC@b"));
    EXPECT_EQ(daemon.lookup_flags.front() & flag::fold_fix, 0U);
}

TEST_F(QueryTest, LeavesFoldingToTheDaemonWithoutSmtputf8) {
    settings.smtputf8 = false;
    EXPECT_EQ(run({"A@B"}), 1);
    EXPECT_THAT(daemon.asked, ElementsAre("A@B"));
    EXPECT_NE(daemon.lookup_flags.front() & flag::fold_fix, 0U);
}

TEST_F(QueryTest, PatternTablesGetTheKeyAsItIs) {
    daemon.open_flags = flag::pattern;
    EXPECT_EQ(run({"A@B"}), 1);
    EXPECT_THAT(daemon.asked, ElementsAre("A@B"));
}

TEST_F(QueryTest, KeyThatIsNotUtf8IsNotFoundAndNotAsked) {
    EXPECT_EQ(run({"\xFF"}), 1);
    EXPECT_TRUE(daemon.asked.empty());
    EXPECT_THAT(warnings.str(), HasSubstr("not UTF-8"));
}

TEST_F(QueryTest, FailuresSayWhatToDo) {
    daemon.failures = {{"retry", Status::retry}, {"config", Status::config}, {"bad", Status::bad}};
    daemon.values = {{"latin", "\xFC"}};
    EXPECT_EQ(error_of({"retry"}),
              "table sqlite:/a.cf, key retry: query error: the lookup failed for now. LOG");
    EXPECT_THAT(error_of({"config"}), HasSubstr("query error"));
    EXPECT_THAT(error_of({"latin"}), HasSubstr("query error: the value found is not UTF-8"));
    EXPECT_THAT(error_of({"bad"}), HasSubstr("malformed"));
    daemon.open_status = Status::deny;
    EXPECT_EQ(error_of({"any"}), "table sqlite:/a.cf: the daemon may not serve this table. HINT");
}

// A stock server of 3.10 does not understand clients of 3.11, nor the other way round. It logs a warning.
TEST_F(QueryTest, SpeaksAsTheServerDoes) {
    daemon.values = {{"a", "1"}, {"c", "3"}};
    for (const auto layout : {protocol::Layout::flags, protocol::Layout::instance_flags}) {
        daemon.only_layout = settings.layout = layout;
        out.str("");
        EXPECT_EQ(run({"A", "b", "C"}), 0);
        EXPECT_EQ(out.str(), "A\t1\nC\t3\n");
        EXPECT_EQ(daemon.layout, layout);
        EXPECT_EQ(daemon.malformed, 0);
    }
}

// The running server may be another release than the installed Postfix.
TEST_F(QueryTest, SpeaksInTheOtherLayoutWhenItIsNotUnderstood) {
    daemon.values = {{"a", "1"}};
    for (const auto layout : {protocol::Layout::flags, protocol::Layout::instance_flags}) {
        settings.layout = layout;
        daemon.only_layout =
            layout == protocol::Layout::flags ? protocol::Layout::instance_flags : protocol::Layout::flags;
        daemon.malformed = 0;
        out.str("");
        EXPECT_EQ(run({"a"}), 0);
        EXPECT_EQ(out.str(), "1\n");
        EXPECT_EQ(daemon.malformed, 1);
    }
}

TEST_F(QueryTest, WhatWasFoundBeforeAFailureIsPrinted) {
    daemon.values = {{"a", "1"}};
    daemon.failures = {{"b", Status::retry}};
    EXPECT_THAT(error_of({"a", "b", "c"}), HasSubstr("key b"));
    EXPECT_EQ(out.str(), "a\t1\n");
    EXPECT_THAT(daemon.asked, ElementsAre("a", "b"));
}

TEST_F(QueryTest, NameNeedsAType) {
    for (const char* name : {"a", ":a", "proxy:a", ""}) {
        settings.table = name;
        EXPECT_THAT(error_of({"k"}), HasSubstr("expected TYPE:NAME")) << name;
    }
}

// master(8) listens on the socket even if the daemon does not start. A client must not wait for ever.
TEST(Connection, IsNotWaitedForWithoutEnd) {
    std::string directory = "/tmp/proxyd-query-XXXXXX";
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = directory + "/s";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener, 1), 0);
    ProxymapConnection connection(path, "", {});
    connection.give_up_after(std::chrono::milliseconds(1), "nobody is there");
    try {
        (void)connection.ask({});
        ADD_FAILURE() << "answered";
    } catch (const QueryError& error) {
        EXPECT_EQ(error.what(), path + ": nobody is there");
    }
    close(listener);
    std::filesystem::remove_all(directory);
}

TEST(Query, AFaultOfTheTableItselfIsToldInsteadOfAdvice) {
    for (const auto status : {Status::deny, Status::retry}) {
        const Ask ask = [status](const protocol::Request&) { return Answer{status, 0, ""}; };
        QuerySettings settings;
        settings.table = "sqlite:/a.cf";
        settings.approval_hint = settings.log_hint = "some advice";
        settings.table_fault = [] { return std::string("There is no file"); };
        std::ostringstream out;
        try {
            (void)query(settings, {"k"}, ask, out, out);
            ADD_FAILURE() << "answered";
        } catch (const QueryError& error) {
            EXPECT_THAT(error.what(), testing::EndsWith(". There is no file"));
        }
    }
}

}  // namespace
}  // namespace proxyd::control
