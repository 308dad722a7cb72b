// How long a client may take.
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "tests/unit/daemon/server_scene.h"

namespace proxyd::server {
namespace {

class ClientTest : public ServerScene {
  protected:
    ClientTest() {
        ServerSettings settings;
        settings.request_timeout = 0ms;
        server.change(settings);
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

// The time is that of the client: not that of the lookup, which has one of its own.
TEST_F(ClientTest, ARequestThatCameInPiecesIsAnsweredHoweverLongItTakes) {
    const auto bytes = request_bytes(Command::lookup);
    write_and_wait_until_read(std::string_view(bytes).substr(0, 10));
    write_and_wait_until_read(std::string_view(bytes).substr(10));
    run_until([this] { return stock.has(table); });
    run_for(longer_than_between_checks);
    const Reply found{Status::ok, 0, {}, "here"};
    EXPECT_EQ(told_of(Command::lookup, found), reply_bytes(Command::lookup, found));
}

}  // namespace
}  // namespace proxyd::server
