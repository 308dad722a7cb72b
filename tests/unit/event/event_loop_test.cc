#include "backends/event/event_loop.h"

#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace proxyd {
namespace {

using namespace std::chrono_literals;

TEST(EventLoop, TimersFireOnceInOrder) {
    EventLoop loop;
    std::string order;
    const auto late = loop.make_timer([&] {
        order += 'c';
        loop.stop();
    });
    const auto early = loop.make_timer([&] { order += 'a'; });
    const auto never = loop.make_timer([&] { order += 'x'; });
    const auto moved = loop.make_timer([&] { order += 'b'; });
    late->start(40ms);
    moved->start(1h);
    moved->start(20ms);
    early->start(1ms);
    never->start(5ms);
    never->stop();
    EXPECT_TRUE(late->running());
    EXPECT_FALSE(never->running());
    loop.run();
    EXPECT_EQ(order, "abc");
    EXPECT_FALSE(late->running());
}

TEST(EventLoop, ATimerMayDestroyItselfAndOthers) {
    EventLoop loop;
    std::unique_ptr<Timer> self;
    std::unique_ptr<Timer> other = loop.make_timer([] { FAIL(); });
    const std::string large(1000, 'x');
    self = loop.make_timer([&, large] {
        self.reset();
        other.reset();
        EXPECT_EQ(large.size(), 1000U);  // the callable still exists
        loop.stop();
    });
    self->start(1ms);
    other->start(1ms);
    loop.run();
}

// A stop gives running work some time. That time starts at the signal, not when the loop went to sleep.
TEST(EventLoop, ASignalComesAtItsTime) {
    EventLoop loop;
    TimePoint sent;
    TimePoint seen;
    loop.on_signal(SIGUSR1, [&] {
        seen = loop.now();
        loop.stop();
    });
    std::thread sender([&] {
        std::this_thread::sleep_for(10ms);
        sent = Clock::now();
        kill(getpid(), SIGUSR1);
    });
    loop.run();
    sender.join();
    EXPECT_GE(seen, sent);
}

TEST(EventLoop, AWatchMayDestroyItself) {
    EventLoop loop;
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    std::unique_ptr<FdWatch> watch;
    const std::string large(1000, 'x');
    watch = loop.watch(ends[0], [&, large](Ready what) {
        EXPECT_TRUE(what.read);
        EXPECT_FALSE(what.write);
        watch.reset();
        EXPECT_EQ(large.size(), 1000U);
        loop.stop();
    });
    watch->want(true, false);
    ASSERT_EQ(write(ends[1], "x", 1), 1);
    loop.run();
    close(ends[0]);
    close(ends[1]);
}

// A descriptor is closed and its number reused within one pass of the loop, again and again.
TEST(EventLoop, ANumberThatIsUsedAgainIsWatchedAgain) {
    EventLoop loop;
    for (int round = 0; round < 50; ++round) {
        int seen = 0;
        std::unique_ptr<FdWatch> watch;
        int ends[2] = {-1, -1};
        const auto renew = [&] {
            watch.reset();
            if (ends[0] >= 0) close(ends[0]);
            if (ends[1] >= 0) close(ends[1]);
            ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        };
        std::function<void(Ready)> ready = [&](Ready what) {
            if (what.write) {
                watch->want(true, false);
                (void)!write(ends[1], "x", 1);
                return;
            }
            if (++seen == 3) {
                loop.stop();
                return;
            }
            loop.defer([&] {
                renew();
                watch = loop.watch(ends[0], ready);
                watch->want(seen == 1, true);
            });
        };
        renew();
        watch = loop.watch(ends[0], ready);
        watch->want(true, true);
        const auto guard = loop.make_timer([&] {
            ADD_FAILURE() << "an event was lost";
            loop.stop();
        });
        guard->start(2s);
        loop.run();
        EXPECT_EQ(seen, 3);
        close(ends[0]);
        close(ends[1]);
    }
}

TEST(EventLoop, DeferredWorkRunsAfterTheCallbackAndMayDeferMore) {
    EventLoop loop;
    std::string order;
    const auto timer = loop.make_timer([&] {
        loop.defer([&] {
            order += 'b';
            loop.defer([&] {
                order += 'c';
                loop.stop();
            });
        });
        order += 'a';
    });
    timer->start(1ms);
    loop.run();
    EXPECT_EQ(order, "abc");
}

TEST(EventLoop, WorkFromManyThreadsArrivesCompleteAndInOrder) {
    EventLoop loop;
    constexpr int threads = 4;
    constexpr int each = 5000;
    std::vector<int> last(threads, -1);
    int count = 0;
    std::vector<std::thread> all;
    for (int thread = 0; thread < threads; ++thread) {
        all.emplace_back([&, thread] {
            for (int i = 0; i < each; ++i) {
                loop.post([&, thread, i] {
                    EXPECT_EQ(last[thread] + 1, i);
                    last[thread] = i;
                    if (++count == threads * each) loop.stop();
                });
            }
        });
    }
    loop.run();
    for (auto& one : all) one.join();
    EXPECT_EQ(count, threads * each);
}

TEST(EventLoop, WhatWasHandedOverLastIsRunOrDestroyedWithTheLoop) {
    const auto token = std::make_shared<int>();
    {
        EventLoop loop;
        loop.defer([token] {});
        loop.post([token] {});
    }
    EXPECT_EQ(token.use_count(), 1);
}

TEST(EventLoop, SignalsAndTheTime) {
    EventLoop loop;
    TimePoint before = Clock::now();
    loop.on_signal(SIGUSR2, [&] { loop.stop(); });
    const auto timer = loop.make_timer([&] {
        EXPECT_GE(loop.now(), before + 15ms);
        EXPECT_LE(Clock::now() - loop.now(), 5ms);
        (void)raise(SIGUSR2);
    });
    timer->start(20ms);
    loop.run();
}

// Exchanges `count` bytes with another thread, which waits before each reply. Returns the polls in vain.
std::uint64_t vain_polls_of_an_exchange(Duration window, Duration reply_after, int count) {
    EventLoop loop;
    loop.set_busy_poll(window);
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    std::thread echo([fd = ends[1], reply_after] {
        char byte = 0;
        while (read(fd, &byte, 1) == 1) {
            std::this_thread::sleep_for(reply_after);
            if (write(fd, &byte, 1) != 1) break;
        }
    });
    const auto send = [fd = ends[0]] { EXPECT_EQ(write(fd, "x", 1), 1); };
    const auto watch = loop.watch(ends[0], [&](Ready) {
        char byte = 0;
        EXPECT_EQ(read(ends[0], &byte, 1), 1);
        if (--count > 0) {
            send();
        } else {
            loop.stop();
        }
    });
    watch->want(true, false);
    send();
    loop.run();
    (void)shutdown(ends[0], SHUT_RDWR);
    echo.join();
    close(ends[0]);
    close(ends[1]);
    return loop.vain_polls();
}

TEST(EventLoop, OneHeavyTurnInAPass) {
    EventLoop loop;
    std::string turns;
    int passes = 0;
    std::unique_ptr<Timer> timer;
    timer = loop.make_timer([&] {
        turns += loop.take_heavy_turn() ? 'y' : 'n';
        turns += loop.take_heavy_turn() ? 'y' : 'n';
        if (++passes == 3) {
            loop.stop();
        } else {
            timer->start(1ms);
        }
    });
    timer->start(0ms);
    loop.run();
    EXPECT_EQ(turns, "ynynyn");
}

TEST(EventLoop, LooksForTheNextEventWhileTheyFollowEachOther) {
    EXPECT_GT(vain_polls_of_an_exchange(10s, 100us, 20), 0U);
}

TEST(EventLoop, SleepsAtOnceWhenEventsAreFarApart) {
    EXPECT_EQ(vain_polls_of_an_exchange(50us, 2ms, 20), 0U);
}

TEST(EventLoop, SleepsAtOnceWithoutAWindow) {
    EXPECT_EQ(vain_polls_of_an_exchange(0us, 0us, 200), 0U);
}

}  // namespace
}  // namespace proxyd
