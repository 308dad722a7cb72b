// Lines between two processes.
#include "proxyd/master/line_link.h"

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/event/event_loop.h"

namespace proxyd::master {
namespace {

class LineLinkTest : public testing::Test {
  protected:
    LineLinkTest() {
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        link = std::make_unique<LineLink>(loop, ends[0],
                                          LineLink::Events{[this](const std::string& line) {
                                                               lines.push_back(line);
                                                               if (lines.size() == wanted) loop.stop();
                                                           },
                                                           [this] {
                                                               has_ended = true;
                                                               loop.stop();
                                                           }});
    }
    ~LineLinkTest() override { close(ends[1]); }

    void say(const std::string& bytes) const {
        ASSERT_EQ(write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    std::vector<std::string> next(std::size_t count) {
        lines.clear();
        wanted = count;
        loop.run();
        return lines;
    }

    EventLoop loop;
    std::array<int, 2> ends{};
    std::unique_ptr<LineLink> link;
    std::vector<std::string> lines;
    std::size_t wanted = 0;
    bool has_ended = false;
};

TEST_F(LineLinkTest, LinesArriveWhole) {
    say("one\ntwo\nthr");
    EXPECT_EQ(next(2), (std::vector<std::string>{"one", "two"}));
    say("ee\n\n");
    EXPECT_EQ(next(2), (std::vector<std::string>{"three", ""}));
}

TEST_F(LineLinkTest, TheEndIsTold) {
    ASSERT_EQ(shutdown(ends[1], SHUT_WR), 0);
    loop.run();
    EXPECT_TRUE(has_ended);
    EXPECT_TRUE(link->send("to nobody"));
}

TEST_F(LineLinkTest, AfterFinishLinesStillArrive) {
    link->finish();
    char byte = 0;
    EXPECT_EQ(read(ends[1], &byte, 1), 0);
    say("late\n");
    EXPECT_EQ(next(1), std::vector<std::string>{"late"});
}

// A stopped process does not read.
TEST_F(LineLinkTest, APeerThatDoesNotReadCostsBoundedMemory) {
    const std::string line(1 << 20, 'x');
    int sent = 0;
    while (sent < 1000 && link->send(line)) ++sent;
    EXPECT_GT(sent, 10);
    EXPECT_LT(sent, 100);
}

// The child frees its copies; the loop of the parent still watches.
TEST_F(LineLinkTest, AForkedChildTakesNothingFromItsParent) {
    const auto timer = loop.make_timer([] {});
    timer->start(std::chrono::hours(1));
    const pid_t child = fork();
    if (child == 0) {
        loop.separate_from_parent();
        link.reset();
        auto own = loop.make_timer([this] { loop.stop(); });
        own->start(std::chrono::milliseconds(1));
        loop.run();
        _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(has_ended);
    say("after the fork\n");
    EXPECT_EQ(next(1), std::vector<std::string>{"after the fork"});
}

}  // namespace
}  // namespace proxyd::master
