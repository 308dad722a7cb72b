// The process in front of the serving processes: how it detects a standstill, and what it does when one dies.
#include "proxyd/master/supervisor.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/report/activity.h"
#include "backends/report/log.h"
#include "proxyd/master/heartbeat.h"

namespace proxyd::master {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto second = std::chrono::duration_cast<Duration>(1s);

class StandstillClockTest : public testing::Test {
  protected:
    // Checks at the proper interval for `length`. Returns the time of the first standstill, if any.
    std::optional<Duration> ask(
        Duration length, const std::function<void()>& meanwhile = [] {}) {
        const auto interval = StandstillClock::interval(8 * second);
        for (Duration passed{}; passed < length;) {
            passed += interval;
            now += interval;
            meanwhile();
            if (still.stands_still(beats, now)) return passed;
        }
        return std::nullopt;
    }

    TimePoint now{std::chrono::hours(1)};
    std::uint64_t beats = 0;
    StandstillClock still{8 * second, now};
};

TEST_F(StandstillClockTest, NoBeatForTheLimitIsAStandstill) {
    EXPECT_EQ(ask(20 * second), 8 * second);
}

TEST_F(StandstillClockTest, EachBeatBeginsAnew) {
    EXPECT_FALSE(ask(7 * second));
    EXPECT_FALSE(ask(100 * second, [this] { ++beats; }));
    EXPECT_EQ(ask(20 * second), 8 * second);
}

// Both processes, or the machine, were stopped: missing beats from that time do not show a standstill.
TEST_F(StandstillClockTest, TimeInWhichNobodyAskedDoesNotCount) {
    now += std::chrono::hours(5);
    EXPECT_FALSE(still.stands_still(beats, now));
    EXPECT_LE(still.quiet(), 2 * second);
    ++beats;
    EXPECT_FALSE(ask(7 * second));
}

TEST(ActivityTest, IsShownWhileItLasts) {
    ActivityBoard board;
    set_activity_board(&board);
    {
        const Activity activity("looking at", "/etc/a.cf");
        EXPECT_EQ(board.text(), "looking at /etc/a.cf");
        const Activity longer("reading", std::string(5000, 'x'));
        EXPECT_EQ(board.text().size(), 1000U);
    }
    EXPECT_EQ(board.text(), "");
    set_activity_board(nullptr);
    const Activity nowhere("looking at", "/etc/a.cf");
    EXPECT_EQ(board.text(), "");
}

// Writes lines to a pipe, so that lines from other processes arrive, too.
class PipeLog final : public Log {
  public:
    PipeLog() { EXPECT_EQ(pipe(ends_.data()), 0); }
    ~PipeLog() override {
        close(ends_[0]);
        close(ends_[1]);
    }
    void write(Severity, std::string_view, std::string_view text) override {
        const auto line = std::string(text) + '\n';
        EXPECT_EQ(::write(ends_[1], line.data(), line.size()), static_cast<ssize_t>(line.size()));
    }
    // The next line; "" if none comes.
    std::string next() {
        std::string line;
        for (char c = 0;; line += c) {
            pollfd entry{ends_[0], POLLIN, 0};
            if (poll(&entry, 1, 20000) != 1 || read(ends_[0], &c, 1) != 1) return "";
            if (c == '\n') return line;
        }
    }

  private:
    std::array<int, 2> ends_{};
};

class SupervisorTest : public testing::Test {
  protected:
    SupervisorTest() { set_log(log); }
    ~SupervisorTest() override {
        static class : public Log {
            void write(Severity, std::string_view, std::string_view) override {}
        } none;
        set_log(none);
        if (front > 0) {
            kill(front, SIGKILL);
            waitpid(front, nullptr, 0);
        }
    }

    // Starts a front process. Its serving processes run `serve` and end with its result.
    void start(const SupervisorSettings& settings, const std::function<int(const ServingProcess&)>& serve) {
        front = fork();
        if (front != 0) return;
        std::vector<Heartbeat*> beating;
        for (int i = 0; i < settings.workers; ++i)
            beating.push_back(&heartbeats.at(static_cast<std::size_t>(i)));
        Supervisor::Events events;
        events.serves = [this](const std::string& text) {
            log.write(Severity::info, {}, "all serve: " + text);
        };
        const auto serving = std::make_unique<Supervisor>(settings, beating)->run(std::move(events));
        _exit(serve(serving));
    }

    // Sends heartbeats until the front process is gone.
    int serve(const ServingProcess& serving) {
        log.write(Severity::info, {}, std::to_string(getpid()));
        for (pollfd end{serving.front_fd, POLLIN, 0}; poll(&end, 1, 20) == 0;)
            heartbeats.at(static_cast<std::size_t>(serving.index)).beat();
        log.write(Severity::info, {}, "the front process has gone");
        return 0;
    }

    // The front process and the new serving process write their lines in any order. Returns the first one of
    // the serving process.
    std::string next_process() {
        std::string process;
        for (bool is_told = false; !is_told || process.empty();) {
            const auto line = log.next();
            if (line.empty()) return "";
            if (line == "another serving process is started") {
                is_told = true;
            } else if (process.empty()) {
                process = line;
            }
        }
        return process;
    }

    int status_of_front() {
        int status = -1;
        waitpid(front, &status, 0);
        front = -1;
        return status;
    }

    PipeLog log;
    std::array<Heartbeat, 3> heartbeats;
    pid_t front = -1;
};

TEST_F(SupervisorTest, ReplacesAProcessThatStandsStill) {
    start({.standstill_limit = second}, [this](const ServingProcess& serving) {
        set_activity_board(&heartbeats[0].board());
        const Activity activity("looking at the file", "/etc/a.cf");
        return serve(serving);
    });
    const auto first = log.next();
    kill(std::stoi(first), SIGSTOP);
    EXPECT_THAT(log.next(), testing::MatchesRegex("the serving process " + first +
                                                  " has stood still for 1 s, stopped by a signal, looking at "
                                                  "the file /etc/a.cf -- it is killed, and another one .*"));
    const auto next = next_process();
    EXPECT_NE(next, "");
    EXPECT_NE(next, first);
    EXPECT_EQ(kill(std::stoi(first), 0), -1) << "it has been killed and waited for";
    kill(front, SIGKILL);
    EXPECT_EQ(log.next(), "the front process has gone");
}

TEST_F(SupervisorTest, IsNotDeceivedByAStopOfBoth) {
    start({.standstill_limit = second, .stop_limit = 60 * second},
          [this](const ServingProcess& serving) { return serve(serving); });
    const auto serving = std::stoi(log.next());
    kill(front, SIGSTOP);
    kill(serving, SIGSTOP);
    std::this_thread::sleep_for(3s);
    kill(serving, SIGCONT);
    kill(front, SIGCONT);
    std::this_thread::sleep_for(1s);
    kill(front, SIGTERM);
    EXPECT_EQ(status_of_front(), 0);
    EXPECT_EQ(kill(serving, 0), -1);
}

TEST_F(SupervisorTest, EndsAsItsServingProcessDoes) {
    start({.standstill_limit = second}, [](const ServingProcess&) { return 7; });
    EXPECT_EQ(WEXITSTATUS(status_of_front()), 7);
    start({.standstill_limit = second}, [](const ServingProcess&) {
        std::signal(SIGBUS, SIG_DFL);  // a sanitizer sets a handler
        return raise(SIGBUS);
    });
    const auto status = status_of_front();
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGBUS);
    // Without master(8) no other process would log this.
    EXPECT_THAT(log.next(), testing::MatchesRegex("the serving process .* was ended by signal 7 .*"));
}

// The serving process is stopped by SIGSTOP, so that it does not notice the stop of the service.
TEST_F(SupervisorTest, AStopEndsWhatStandsStillToo) {
    start({.standstill_limit = 3600 * second, .stop_limit = second / 2},
          [this](const ServingProcess& serving) { return serve(serving); });
    const auto serving = std::stoi(log.next());
    kill(serving, SIGSTOP);
    kill(front, SIGTERM);
    // The next check for a standstill is an hour away.
    EXPECT_EQ(status_of_front(), 0);
    EXPECT_EQ(kill(serving, 0), -1);
}

// At a reload master(8) waits for the end of the front process. Clients of the old serving process must not
// wait for ever.
TEST_F(SupervisorTest, WhatStandsStillAtAReloadIsKilledToo) {
    std::array<int, 2> status{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, status.data()), 0);
    start({.status_fd = status[0], .standstill_limit = second},
          [this, &status](const ServingProcess& serving) {
              close(status[1]);
              return serve(serving);
          });
    const auto serving = log.next();
    kill(std::stoi(serving), SIGSTOP);
    shutdown(status[1], SHUT_RDWR);
    EXPECT_EQ(status_of_front(), 0);
    EXPECT_THAT(log.next(), testing::MatchesRegex("the serving process " + serving +
                                                  " has stood still for 1 s.* -- it is killed"));
    close(status[0]);
    close(status[1]);
}

// Several workers

class SeveralTest : public SupervisorTest {
  protected:
    static void tell(const ServingProcess& serving, const std::string& notice) {
        const auto line = notice + "\n";
        EXPECT_EQ(write(serving.front_fd, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    }

    // Starts workers that serve until the front process has gone. Returns their process ids.
    std::array<std::string, 3> start_three() {
        start({.workers = 3, .standstill_limit = second, .stop_limit = 10 * second},
              [this](const ServingProcess& serving) {
                  log.write(Severity::info, {}, fmt::format("{} {}", serving.index, getpid()));
                  tell(serving, "ready well");
                  return serve(serving);
              });
        std::array<std::string, 3> workers;
        for (int lines = 0; lines < 7; ++lines) note(log.next(), workers);
        return workers;
    }
    static void note(const std::string& line, std::array<std::string, 3>& workers) {
        if (line.size() > 2 && line[1] == ' ')
            workers.at(static_cast<std::size_t>(line[0] - '0')) = line.substr(2);
    }

    // The next line that no worker has written at its start or end.
    std::string next_of_front() {
        for (;;) {
            auto line = log.next();
            const bool is_number = line.find_first_not_of("0123456789 ") == std::string::npos;
            if (line.empty() || (!is_number && line != "the front process has gone")) return line;
        }
    }
};

TEST_F(SeveralTest, OneThatDiesIsReplacedAndTheOthersGoOn) {
    const auto workers = start_three();
    kill(std::stoi(workers[1]), SIGKILL);
    EXPECT_EQ(next_of_front(),
              "the serving process " + workers[1] +
                  " (worker 2) was ended by signal 9 (Killed) -- another one takes its place in 0.1 s");
    EXPECT_THAT(next_process(), testing::StartsWith("1 "));
    EXPECT_EQ(kill(std::stoi(workers[0]), 0), 0);
    EXPECT_EQ(kill(std::stoi(workers[2]), 0), 0);
    EXPECT_EQ(kill(std::stoi(workers[1]), 0), -1);
}

TEST_F(SeveralTest, OneThatStandsStillIsReplacedAndTheOthersGoOn) {
    const auto workers = start_three();
    kill(std::stoi(workers[2]), SIGSTOP);
    EXPECT_THAT(next_of_front(),
                testing::MatchesRegex("the serving process " + workers[2] +
                                      " \\(worker 3\\) has stood still for 1 s.* -- it is killed, .*"));
    EXPECT_EQ(next_of_front(), "another serving process is started");
    EXPECT_EQ(kill(std::stoi(workers[0]), 0), 0);
}

TEST_F(SeveralTest, AStopEndsAll) {
    const auto workers = start_three();
    kill(front, SIGTERM);
    EXPECT_EQ(status_of_front() & 0x7f, 0);
    for (const auto& worker : workers) EXPECT_EQ(kill(std::stoi(worker), 0), -1);
}

TEST_F(SeveralTest, AllEndWithTheFrontProcess) {
    (void)start_three();
    kill(front, SIGKILL);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(log.next(), "the front process has gone");
}

// Its successors would die, too. Whoever has started the daemon is told.
TEST_F(SeveralTest, OneThatNeverServesEndsTheDaemon) {
    start({.workers = 3, .standstill_limit = 60 * second, .stop_limit = 10 * second},
          [this](const ServingProcess& serving) {
              if (serving.index == 1) return 7;
              return serve(serving);
          });
    const auto status = status_of_front();
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(SeveralTest, ReadyIsSaidWhenAllAre) {
    start({.workers = 2, .stop_limit = 10 * second}, [](const ServingProcess& serving) {
        sigset_t reload;
        sigemptyset(&reload);
        sigaddset(&reload, SIGHUP);
        sigprocmask(SIG_BLOCK, &reload, nullptr);
        tell(serving, "ready first");
        const timespec moment{0, 20'000'000};
        for (pollfd end{serving.front_fd, POLLIN, 0}; poll(&end, 1, 0) == 0;) {
            if (sigtimedwait(&reload, nullptr, &moment) == SIGHUP) tell(serving, "ready again");
        }
        return 0;
    });
    EXPECT_EQ(log.next(), "all serve: first");
    kill(front, SIGHUP);
    EXPECT_EQ(log.next(), "all serve: again");
}

TEST(RestartDelayTest, DoublesUntilOneLivesLong) {
    RestartDelay delay;
    EXPECT_EQ(delay.after_life_of(second), 100ms);
    EXPECT_EQ(delay.after_life_of(second), 200ms);
    EXPECT_EQ(delay.after_life_of(second), 400ms);
    for (int i = 0; i < 20; ++i) (void)delay.after_life_of(second);
    EXPECT_EQ(delay.after_life_of(second), 30s);
    EXPECT_EQ(delay.after_life_of(60 * second), 100ms);
    EXPECT_EQ(delay.after_life_of(second), 200ms);
}

TEST_F(SupervisorTest, AReloadWaitsForNothing) {
    std::array<int, 2> status{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, status.data()), 0);
    start({.status_fd = status[0], .standstill_limit = second},
          [this](const ServingProcess& serving) { return serve(serving); });
    (void)log.next();
    shutdown(status[1], SHUT_RDWR);
    EXPECT_EQ(status_of_front(), 0);
    EXPECT_EQ(log.next(), "the front process has gone");
    close(status[0]);
    close(status[1]);
}

}  // namespace
}  // namespace proxyd::master
