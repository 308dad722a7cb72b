// The relay with a stock server that is slow, gone, replaced by another version, or never there.
#include "backends/relay/relay.h"

#include <map>
#include <optional>

#include <gtest/gtest.h>

#include "backends/report/log.h"
#include "tests/unit/relay/fake_stock_server.h"
#include "tests/unit/relay/run_until.h"

namespace proxyd::relay {
namespace {

namespace flag = protocol::flag;
using namespace std::chrono_literals;
using protocol::Command;
using protocol::Flags;
using protocol::Layout;
using protocol::Reply;
using protocol::Request;
using protocol::Status;

constexpr Flags daemon_instance = flag::lock | flag::fold_fix | flag::utf8_request;

struct Answer {
    Status status;
    Flags flags;
    std::string value;
};

class LinesLog : public Log {
  public:
    LinesLog() : before_(log()) { set_log(*this); }
    ~LinesLog() override { set_log(before_); }
    LinesLog(const LinesLog&) = delete;
    LinesLog& operator=(const LinesLog&) = delete;

    void write(Severity, std::string_view, std::string_view text) override { lines.emplace_back(text); }
    std::vector<std::string> lines;

  private:
    Log& before_;
};

class RelayTest : public testing::Test {
  protected:
    RelayTest() {
        settings.path = stock.path();
        settings.greeting = Greeting::yes;
        settings.lookup_timeout = 10s;
    }

    void start() {
        stock.start();
        relay.emplace(loop, settings);
    }

    void run_until(const std::function<bool()>& done) { proxyd::run_until(loop, done); }

    // The answer is stored in `answers` under the name of the table.
    void ask(Command command, const std::string& table, Layout layout = Layout::flags) {
        Request request;
        request.command = command;
        request.layout = layout;
        request.table = table;
        request.key = "key";
        request.value = "value";
        request.flags = command == Command::open ? 0 : flag::lock | flag::fold_fix;
        request.instance_flags = daemon_instance;
        relay->ask(request, [this, table](const Reply& reply) {
            answers.insert_or_assign(table, Answer{reply.status, reply.flags, std::string(reply.value)});
        });
    }
    void lookup(const std::string& table) { ask(Command::lookup, table); }

    void wait_for_request(const std::string& table) {
        run_until([&] { return stock.has(table); });
    }
    Answer wait_for_answer(const std::string& table) {
        run_until([&] { return answers.contains(table); });
        return answers.at(table);
    }

    EventLoop loop;
    FakeStockServer stock{loop};
    RelaySettings settings;
    std::optional<Relay> relay;
    std::map<std::string, Answer> answers;
};

TEST_F(RelayTest, TheReplyOfTheStockServerIsTheReply) {
    start();
    ask(Command::open, "cidr:a");
    wait_for_request("cidr:a");
    stock.answer("cidr:a", {Status::ok, flag::pattern, {}, {}});
    EXPECT_EQ(wait_for_answer("cidr:a").flags, flag::pattern);
    for (const auto status : {Status::ok, Status::nokey, Status::retry, Status::config}) {
        answers.clear();
        lookup("cidr:a");
        wait_for_request("cidr:a");
        EXPECT_EQ(stock.request("cidr:a").request.key, "key");
        EXPECT_EQ(stock.request("cidr:a").request.flags, flag::lock | flag::fold_fix);
        stock.answer("cidr:a", {status, 0, {}, status == Status::ok ? "found" : ""});
        const auto answer = wait_for_answer("cidr:a");
        EXPECT_EQ(answer.status, status);
        EXPECT_EQ(answer.value, status == Status::ok ? "found" : "");
    }
    EXPECT_EQ(stock.connections(), 1U);
}

TEST_F(RelayTest, ASlowTableDoesNotHoldUpAnother) {
    start();
    lookup("tcp:slow");
    wait_for_request("tcp:slow");
    lookup("hash:quick");
    wait_for_request("hash:quick");
    EXPECT_NE(stock.request("hash:quick").connection, stock.request("tcp:slow").connection);
    stock.answer("hash:quick", {Status::ok, 0, {}, "here"});
    EXPECT_EQ(wait_for_answer("hash:quick").value, "here");
    EXPECT_FALSE(answers.contains("tcp:slow"));
    stock.answer("tcp:slow", {Status::nokey, 0, {}, {}});
    EXPECT_EQ(wait_for_answer("tcp:slow").status, Status::nokey);
}

// A stock process that has just become free may have accepted the second connection, too. A request there
// then waits behind the one on the first connection.
TEST_F(RelayTest, ARequestBehindASlowOneInTheSameProcessMoves) {
    start();
    lookup("hash:first");
    wait_for_request("hash:first");
    stock.accepts = false;
    lookup("hash:second");
    run_until([&] { return stock.connections() == 2; });
    stock.answer("hash:first", {Status::nokey, 0, {}, {}});
    stock.accepts = true;
    wait_for_request("hash:second");
    stock.greet(1);
    stock.answer("hash:second", {Status::nokey, 0, {}, {}});
    wait_for_answer("hash:second");
    lookup("tcp:slow");
    wait_for_request("tcp:slow");
    lookup("hash:quick");
    run_until([&] { return stock.has("hash:quick") && stock.request("hash:quick").connection >= 2; });
    stock.answer("hash:quick", {Status::ok, 0, {}, "here"});
    EXPECT_EQ(wait_for_answer("hash:quick").value, "here");
    EXPECT_FALSE(answers.contains("tcp:slow"));
}

TEST_F(RelayTest, ConnectionsAreBoundedAndNoTableGetsThemAll) {
    settings.connections = 4;
    start();
    for (int i = 0; i < 10; ++i) lookup("tcp:slow");
    run_until([&] { return stock.asked.size() == 2; });
    lookup("hash:quick");
    wait_for_request("hash:quick");
    EXPECT_EQ(stock.asked.size(), 3U);
    EXPECT_LE(relay->connections(), 4U);
}

TEST_F(RelayTest, NoMoreRequestsWaitThanAllowed) {
    settings.connections = 1;
    settings.queue_limit = 2;
    start();
    lookup("hash:under-way");
    wait_for_request("hash:under-way");
    lookup("hash:waiting");
    lookup("hash:waiting too");
    EXPECT_TRUE(answers.empty());
    lookup("hash:too many");
    EXPECT_EQ(answers.at("hash:too many").status, Status::retry);
    EXPECT_EQ(answers.size(), 1U);
}

TEST_F(RelayTest, ALookupSurvivesAConnectionClosedUnderIt) {
    start();
    for (const auto command : {Command::open, Command::lookup}) {
        ask(command, "hash:a");
        wait_for_request("hash:a");
        stock.drop(stock.request("hash:a").connection);
        wait_for_request("hash:a");
        stock.answer("hash:a", {Status::ok, flag::fixed, {}, "here"});
        EXPECT_EQ(wait_for_answer("hash:a").status, Status::ok);
        answers.clear();
    }
}

TEST_F(RelayTest, AnUpdateIsNotRepeated) {
    start();
    for (const auto command : {Command::update, Command::remove, Command::sequence}) {
        ask(command, "btree:a");
        wait_for_request("btree:a");
        stock.drop(stock.request("btree:a").connection);
        EXPECT_EQ(wait_for_answer("btree:a").status, Status::retry);
        EXPECT_FALSE(stock.has("btree:a"));
        answers.clear();
    }
}

TEST_F(RelayTest, AnUpdateOnAConnectionThatWasClosedBeforeIsSentOnAnother) {
    start();
    lookup("btree:a");
    wait_for_request("btree:a");
    stock.answer("btree:a", {Status::nokey, 0, {}, {}});
    wait_for_answer("btree:a");
    answers.clear();
    stock.drop(0);  // the relay's loop has not seen this yet
    ask(Command::update, "btree:a");
    wait_for_request("btree:a");
    EXPECT_EQ(stock.request("btree:a").request.value, "value");
    stock.answer("btree:a", {Status::ok, 0, {}, {}});
    EXPECT_EQ(wait_for_answer("btree:a").status, Status::ok);
}

TEST_F(RelayTest, AServerThatAlwaysClosesIsGivenUp) {
    start();
    lookup("environ:");
    for (int i = 0; i < 3; ++i) {
        wait_for_request("environ:");
        stock.drop(stock.request("environ:").connection);
    }
    EXPECT_EQ(wait_for_answer("environ:").status, Status::retry);
}

TEST_F(RelayTest, WithoutAServerLookupsAreRetriedAndTablesOpened) {
    relay.emplace(loop, settings);
    lookup("unix:passwd.byname");
    EXPECT_EQ(wait_for_answer("unix:passwd.byname").status, Status::retry);
    // Clients keep these flags. They repeat an open for ever if its status is not OK.
    ask(Command::open, "unix:passwd.byname");
    ask(Command::open, "regexp:/a");
    ask(Command::open, "pipemap:{pcre:/a,hash:/b}", Layout::instance_flags);
    ask(Command::update, "btree:/cache", Layout::instance_flags);
    EXPECT_EQ(wait_for_answer("pipemap:{pcre:/a,hash:/b}").flags, daemon_instance | flag::pattern);
    EXPECT_EQ(wait_for_answer("regexp:/a").flags, flag::pattern);
    EXPECT_EQ(wait_for_answer("regexp:/a").status, Status::ok);
    EXPECT_EQ(wait_for_answer("btree:/cache").status, Status::retry);
    EXPECT_EQ(wait_for_answer("btree:/cache").flags,
              flag::lock | flag::fold_fix | flag::dup_replace | flag::sync_update);
    stock.start();
    answers.clear();
    lookup("unix:passwd.byname");
    wait_for_request("unix:passwd.byname");
    stock.answer("unix:passwd.byname", {Status::ok, 0, {}, "root"});
    EXPECT_EQ(wait_for_answer("unix:passwd.byname").value, "root");
}

// At that time all of Postfix may be stopping.
TEST_F(RelayTest, TheLogSaysThatThereIsNoServerUnlessTheProcessEnds) {
    LinesLog lines;
    relay.emplace(loop, settings);
    lookup("hash:a");
    wait_for_answer("hash:a");
    EXPECT_EQ(lines.lines.size(), 1U);
    relay->wind_down();
    lookup("hash:b");
    EXPECT_EQ(wait_for_answer("hash:b").status, Status::retry);
    EXPECT_EQ(lines.lines.size(), 1U);
}

TEST_F(RelayTest, WhatTheServerSaidOfATableIsRemembered) {
    start();
    ask(Command::open, "new-type:a");
    wait_for_request("new-type:a");
    stock.answer("new-type:a", {Status::ok, flag::fixed | flag::lock, {}, {}});
    wait_for_answer("new-type:a");
    answers.clear();
    stock.stop();
    ask(Command::open, "new-type:a");
    const auto answer = wait_for_answer("new-type:a");
    EXPECT_EQ(answer.status, Status::ok);
    EXPECT_EQ(answer.flags, flag::fixed);
}

TEST_F(RelayTest, AServerThatIsBackInAMomentCostsNoLookup) {
    start();
    lookup("hash:a");
    wait_for_request("hash:a");
    stock.stop();
    const auto later = loop.make_timer([this] { stock.start(); });
    later->start(100ms);
    wait_for_request("hash:a");
    stock.answer("hash:a", {Status::ok, 0, {}, "here"});
    EXPECT_EQ(wait_for_answer("hash:a").value, "here");
}

TEST_F(RelayTest, AServerThatNeverRepliesIsWaitedForUntilTheDeadline) {
    settings.lookup_timeout = 50ms;
    start();
    lookup("tcp:a");
    EXPECT_EQ(wait_for_answer("tcp:a").status, Status::retry);
    // The relay drops the late reply, and then uses the connection again.
    stock.answer("tcp:a", {Status::ok, 0, {}, "late"});
    answers.clear();
    lookup("tcp:a");
    wait_for_request("tcp:a");
    EXPECT_EQ(stock.request("tcp:a").connection, 0);
    stock.answer("tcp:a", {Status::ok, 0, {}, "in time"});
    EXPECT_EQ(wait_for_answer("tcp:a").value, "in time");
}

TEST_F(RelayTest, TheLogTellsASilentTableFromAServiceThatDoesNotStart) {
    settings.lookup_timeout = 50ms;
    settings.silence_advice = ": look at the service";
    for (const bool accepts : {true, false}) {
        LinesLog lines;
        stock.accepts = accepts;
        relay.reset();
        stock.stop();
        start();
        answers.clear();
        lookup("tcp:a");
        EXPECT_EQ(wait_for_answer("tcp:a").status, Status::retry);
        EXPECT_EQ(lines.lines,
                  std::vector{"table tcp:a: no reply from the stock server behind " + stock.path() +
                              " in 50 ms" + (accepts ? "" : ": look at the service")});
    }
}

TEST_F(RelayTest, ATableThatTheStockServerDoesNotApproveIsATemporaryError) {
    LinesLog lines;
    settings.service_name = "proxywrite";
    start();
    lookup("hash:a");
    wait_for_request("hash:a");
    stock.answer("hash:a", {Status::deny, 0, {}, {}});
    EXPECT_EQ(wait_for_answer("hash:a").status, Status::retry);
    ask(Command::open, "hash:b");
    wait_for_request("hash:b");
    stock.answer("hash:b", {Status::deny, 0, {}, {}});
    EXPECT_EQ(wait_for_answer("hash:b").status, Status::ok);
    ASSERT_EQ(lines.lines.size(), 2U);
    EXPECT_NE(lines.lines.front().find("give it -n proxywrite and the options"), std::string::npos);
}

TEST_F(RelayTest, AStockServerWithoutGreetingIsUnderstood) {
    stock.greets = false;
    for (const auto greeting : {Greeting::no, Greeting::probe}) {
        settings.greeting = greeting;
        start();
        lookup("hash:a");
        wait_for_request("hash:a");
        stock.answer("hash:a", {Status::ok, 0, {}, "here"});
        EXPECT_EQ(wait_for_answer("hash:a").value, "here");
        answers.clear();
        stock.stop();
    }
}

// The client is older than Postfix 3.11, the server is newer. A newer server wants back the flags of its open
// reply.
TEST_F(RelayTest, ANewerServerIsFoundOutAndServesOlderClients) {
    stock.layout = Layout::instance_flags;
    start();
    lookup("hash:a");
    wait_for_request("hash:a");
    EXPECT_EQ(stock.request("hash:a").request.command, Command::open);
    const auto opened = flag::fixed | flag::try0null | flag::try1null;
    stock.answer("hash:a", {Status::ok, opened, {}, {}});
    run_until([&] { return stock.has("hash:a"); });
    EXPECT_EQ(stock.request("hash:a").request.command, Command::lookup);
    EXPECT_EQ(stock.request("hash:a").request.flags, opened | flag::lock | flag::fold_fix);
    stock.answer("hash:a", {Status::ok, opened, {}, "here"});
    EXPECT_EQ(wait_for_answer("hash:a").value, "here");
}

TEST_F(RelayTest, AnOlderServerIsFoundOutAndServesNewerClients) {
    settings.layout = Layout::instance_flags;
    start();
    ask(Command::open, "hash:a", Layout::instance_flags);
    wait_for_request("hash:a");
    stock.answer("hash:a", {Status::ok, flag::fixed, {}, {}});
    EXPECT_EQ(wait_for_answer("hash:a").flags, daemon_instance | flag::fixed);
    answers.clear();
    ask(Command::lookup, "hash:a", Layout::instance_flags);
    wait_for_request("hash:a");
    stock.answer("hash:a", {Status::ok, 0, {}, "here"});
    EXPECT_EQ(wait_for_answer("hash:a").flags, flag::lock | flag::fold_fix);
}

TEST_F(RelayTest, WindingDownClosesWhatIsIdle) {
    start();
    lookup("hash:a");
    wait_for_request("hash:a");
    relay->wind_down();
    EXPECT_EQ(relay->connections(), 1U);
    stock.answer("hash:a", {Status::ok, 0, {}, "here"});
    EXPECT_EQ(wait_for_answer("hash:a").value, "here");
    EXPECT_EQ(relay->connections(), 0U);
}

}  // namespace
}  // namespace proxyd::relay
