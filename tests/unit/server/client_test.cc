// Limits on a client's time.
#include <utility>

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "tests/unit/server/server_scene.h"

namespace proxyd::server {
namespace {

class ClientTest : public ServerScene {
  protected:
    ClientTest() {
        ServerSettings settings;
        settings.request_timeout = 0ms;
        server.change(settings);
        auto patient = relay_settings(stock.path());
        patient.lookup_timeout = 60s;  // longer than any test waits
        relay.change(patient);
    }

    // A client that closes with unread bytes causes an error, which is always noticed. So everything is read
    // first.
    void close_all_read() {
        (void)told(0);
        close(std::exchange(client, -1));
    }

    void write_and_wait_until_read(std::string_view bytes) {
        write_all(bytes);
        run_until([this] {
            int unread = -1;
            EXPECT_EQ(ioctl(client, SIOCOUTQ, &unread), 0);
            return unread == 0;
        });
    }

    void run_for(Duration time) {
        const auto timer = loop.make_timer([this] { loop.stop(); });
        timer->start(time);
        loop.run();
    }
};

constexpr auto longer_than_between_checks = 1500ms;

TEST_F(ClientTest, ARequestMayNotTakeForever) {
    write_and_wait_until_read(request_bytes(Command::lookup).substr(0, 10));
    EXPECT_EQ(server.clients(), 1U);
    run_for(longer_than_between_checks);
    EXPECT_EQ(server.clients(), 0U);
}

// request_timeout limits the time of the client. The lookup has a limit of its own.
TEST_F(ClientTest, ARequestThatCameInPiecesIsAnsweredHoweverLongItTakes) {
    const auto bytes = request_bytes(Command::lookup);
    write_and_wait_until_read(std::string_view(bytes).substr(0, 10));
    write_and_wait_until_read(std::string_view(bytes).substr(10));
    run_until([this] { return stock.has(table); });
    run_for(longer_than_between_checks);
    const Reply found{Status::ok, 0, {}, "here"};
    EXPECT_EQ(told_of(Command::lookup, found), reply_bytes(Command::lookup, found));
}

TEST_F(ClientTest, AClientThatShutsDownOnlyItsSendingSideGetsItsReply) {
    send(Command::lookup);
    ASSERT_EQ(shutdown(client, SHUT_WR), 0);
    run_for(longer_than_between_checks);
    EXPECT_EQ(server.clients(), 1U);
    const Reply found{Status::ok, 0, {}, "here"};
    EXPECT_EQ(told_of(Command::lookup, found), reply_bytes(Command::lookup, found));
    run_until([this] { return server.clients() == 0; });
}

TEST_F(ClientTest, OneThatHasGoneIsClosedWhileItsLookupIsUnderWay) {
    send(Command::lookup);
    close_all_read();
    run_until([this] { return server.clients() == 0; });
    EXPECT_TRUE(stock.has(table)) << "its lookup is under way";
    // The new client does not get the answer to the old client's lookup.
    connect();
    write_all(request_bytes(Command::lookup));
    stock.answer(table, {Status::ok, 0, {}, "late"});
    run_until([this] { return stock.has(table); });
    const Reply found{Status::ok, 0, {}, "here"};
    EXPECT_EQ(told_of(Command::lookup, found), reply_bytes(Command::lookup, found));
    EXPECT_EQ(server.clients(), 1U);
}

TEST_F(ClientTest, OneThatGoesAfterItHasSentAllIsClosedSoon) {
    send(Command::lookup);
    ASSERT_EQ(shutdown(client, SHUT_WR), 0);
    run_for(50ms);  // the server sees the end of the input first, on its own
    close_all_read();
    run_until([this] { return server.clients() == 0; });
    EXPECT_TRUE(stock.has(table));
}

// The server does not read that far ahead, so it does not see the end of the input.
TEST_F(ClientTest, OneThatGoesWithRequestsUnreadIsClosedSoon) {
    ServerSettings small;
    small.limits.message_bytes = 1000;
    server.change(small);
    close(client);
    run_until([this] { return server.clients() == 0; });
    connect();
    send(Command::lookup);
    std::string more;
    while (more.size() < 100000) more += request_bytes(Command::lookup);
    write_all(more);
    run_for(50ms);
    EXPECT_EQ(server.clients(), 1U);
    close_all_read();
    run_until([this] { return server.clients() == 0; });
}

}  // namespace
}  // namespace proxyd::server
