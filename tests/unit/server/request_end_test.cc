// What the server reports about an ended request, whatever answered it. A table is looked up by name once.
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxyd/server/server.h"
#include "tests/unit/table/table_set_scene.h"

namespace proxyd::server {
namespace {

using namespace std::chrono_literals;
using protocol::Command;
using protocol::Status;

// Clients of a service whose tables have their answers in their files. There is no stock server.
class RequestEndTest : public table::TableSetScene {
  protected:
    struct Ended {
        std::string table;  // "": no table that clients may ask for
        Command command;
        Status status;
        table::Source source;
        std::optional<pool::FailureClass> failure;
        Duration time;
    };

    RequestEndTest() {
        server.on_ended([this](const AnsweredRequest& request) {
            ended.push_back({request.table == nullptr ? "" : request.table->name, request.command,
                             request.status, request.source, request.failure, request.time});
        });
        int ends[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        client = ends[0];
        server_end = ends[1];
        server.add_client(server_end);
    }
    ~RequestEndTest() override { close(client); }

    void approve(const std::vector<std::string>& names) {
        service.change(postfix::ApprovedTables::from_names(names), {});
    }
    void send(const std::string& name, Command command = Command::lookup) {
        protocol::Request request;
        request.command = command;
        request.table = name;
        request.key = "user@example.com";
        std::string bytes;
        protocol::append(bytes, request);
        ASSERT_EQ(::write(client, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
        loop.ready(server_end, {true, false});
        loop.advance(0ms);
    }
    Ended last(std::size_t count) {
        EXPECT_EQ(ended.size(), count);
        return ended.back();
    }

    relay::Relay relay{loop, {}};
    Service service{tables, relay, postfix::ApprovedTables::from_names({}), {}};
    Server server{loop, service, {}};
    int client = -1;
    int server_end = -1;
    std::vector<Ended> ended;
};

TEST_F(RequestEndTest, EveryEndIsSeenWithItsCause) {
    const auto good = write(table::ask_a, "good.cf");
    const auto empty = write("query = SELECT '%s'\n", "empty.cf");
    const auto bad = write("query = SELECT '%s'\nanswer = fails\n", "bad.cf");
    approve({good, empty, bad, "hash:/relayed", "fake:/missing"});

    send(good);
    EXPECT_EQ(last(1).table, good);
    EXPECT_EQ(last(1).status, Status::ok);
    EXPECT_EQ(last(1).source, table::Source::database);
    send(empty);
    EXPECT_EQ(last(2).status, Status::nokey);
    EXPECT_EQ(last(2).source, table::Source::database);
    send(bad);
    EXPECT_EQ(last(3).status, Status::retry);
    EXPECT_EQ(last(3).failure, pool::FailureClass::query);
    send("fake:/missing");
    EXPECT_EQ(last(4).status, Status::retry);
    EXPECT_EQ(last(4).source, table::Source::table);
    send("hash:/relayed");
    EXPECT_EQ(last(5).source, table::Source::relay);
    send("hash:/unapproved");
    EXPECT_EQ(last(6).status, Status::deny);
    EXPECT_EQ(last(6).table, "");
    send(good, Command::open);
    EXPECT_EQ(last(7).command, Command::open);
    EXPECT_EQ(server.served(), 7U);
}

TEST_F(RequestEndTest, TheTimeOfALookupIsThatOfItsAnswer) {
    const auto slow = write("query = SELECT '%s'\nanswer = later\n");
    approve({slow});
    send(slow);
    EXPECT_TRUE(ended.empty());
    loop.advance(30ms);
    const table::EchoRows rows("here");
    kept.front()({&rows, {}});
    EXPECT_EQ(last(1).time, 30ms);
    EXPECT_EQ(last(1).status, Status::ok);
}

TEST_F(RequestEndTest, AClientThatHasGoneIsCountedToo) {
    const auto slow = write("query = SELECT '%s'\nanswer = later\n");
    approve({slow});
    send(slow);
    shutdown(client, SHUT_RDWR);
    loop.ready(server_end, {true, false});
    loop.advance(0ms);
    EXPECT_EQ(server.clients(), 0U);
    const table::EchoRows rows("here");
    kept.front()({&rows, {}});
    EXPECT_EQ(last(1).status, Status::ok);
}

TEST_F(RequestEndTest, AnApprovalThatIsWithdrawnEndsTheUseOfATableThatWasFoundBefore) {
    const auto good = write(table::ask_a, "good.cf");
    approve({good});
    send(good);
    send("proxy:" + good);
    EXPECT_EQ(last(2).table, good);
    approve({});
    send(good);
    EXPECT_EQ(last(3).status, Status::deny);
    EXPECT_EQ(last(3).table, "");
    approve({good});
    send(good);
    EXPECT_EQ(last(4).status, Status::ok);
}

}  // namespace
}  // namespace proxyd::server
