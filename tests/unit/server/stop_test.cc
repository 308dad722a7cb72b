// A client whose lookup fails while the daemon ends, and what the daemon does meanwhile.
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/server/server_scene.h"

namespace proxyd::server {
namespace {

class StopTest : public ServerScene {
  protected:
    // The process ends: after a reload, or at a stop.
    void leave(bool stop) {
        server.drain(1h, [] {});
        if (stop) server.hurry(1h);
    }
};

// At a stop of Postfix or of the machine, the database or the stock server may stop before proxyd does.
TEST_F(StopTest, AFailedLookupIsLeftToTheNextProcess) {
    send(Command::lookup);
    leave(true);
    EXPECT_EQ(told_of(Command::lookup, {Status::retry, 0, {}, {}}), "");
    EXPECT_EQ(server.clients(), 0U);
}

TEST_F(StopTest, AnAnswerIsGivenToTheLast) {
    const Reply found{Status::ok, 0, {}, "here"};
    send(Command::lookup);
    leave(true);
    EXPECT_EQ(told_of(Command::lookup, found), reply_bytes(Command::lookup, found));
}

TEST_F(StopTest, AfterAReloadAFailureIsAnAnswer) {
    const Reply failed{Status::retry, 0, {}, {}};
    send(Command::lookup);
    leave(false);
    EXPECT_EQ(told_of(Command::lookup, failed), reply_bytes(Command::lookup, failed));
}

TEST_F(StopTest, AStopDuringAReloadIsAStop) {
    send(Command::lookup);
    leave(false);
    server.hurry(1h);
    EXPECT_EQ(told_of(Command::lookup, {Status::retry, 0, {}, {}}), "");
}

// The update may or may not have been done.
TEST_F(StopTest, AnUpdateIsNotAskedForTwice) {
    const Reply failed{Status::retry, 0, {}, {}};
    send(Command::update);
    leave(true);
    EXPECT_EQ(told_of(Command::update, failed), reply_bytes(Command::update, failed));
}

// Whether some epoll set of this process watches the socket.
bool is_watched(int socket) {
    struct stat status {};
    EXPECT_EQ(fstat(socket, &status), 0);
    const auto inode = fmt::format(" ino:{:x} ", status.st_ino);
    for (const auto& descriptor : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
        std::ifstream file(descriptor.path());
        for (std::string line; std::getline(file, line);) {
            if (line.starts_with("tfd:") && line.find(inode) != line.npos) return true;
        }
    }
    return false;
}

// master(8) keeps the socket open for the process after a reload. Connections that wait there are for that
// process and must not wake this one.
TEST_F(StopTest, TheListenSocketIsLeftAlone) {
    const int of_master = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const sockaddr_un any_address{AF_UNIX, {}};
    ASSERT_EQ(bind(of_master, reinterpret_cast<const sockaddr*>(&any_address), sizeof(sa_family_t)), 0);
    ASSERT_EQ(listen(of_master, 1), 0);
    server.listen(fcntl(of_master, F_DUPFD_CLOEXEC, 3));
    send(Command::lookup);
    EXPECT_TRUE(is_watched(of_master));
    leave(false);
    run_until([&] { return !is_watched(of_master); });
    const Reply found{Status::ok, 0, {}, "here"};
    EXPECT_EQ(told_of(Command::lookup, found), reply_bytes(Command::lookup, found));
    close(of_master);
}

}  // namespace
}  // namespace proxyd::server
