// The loop of the daemon: libevent's event_base.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "backends/event/cpu_contention.h"
#include "backends/event/loop.h"

struct event;
struct event_base;

namespace proxyd {

// Throws std::runtime_error when libevent or the kernel cannot give what it needs.
class EventLoop final : public Loop {
  public:
    EventLoop();
    ~EventLoop() override;
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    [[nodiscard]] TimePoint now() const override { return now_; }
    [[nodiscard]] std::unique_ptr<Timer> make_timer(std::function<void()> callback) override;
    [[nodiscard]] std::unique_ptr<FdWatch> watch(int fd, std::function<void(Ready)> callback) override;
    void defer(Callback<void()> work) override;
    void post(Callback<void()> work) override;
    [[nodiscard]] bool take_heavy_turn() override { return !std::exchange(heavy_turn_taken_, true); }

    // Calls `callback` in the loop when the signal arrives. The handler stays until the loop ends.
    void on_signal(int signal_number, std::function<void()> callback);

    // While events follow each other within `window`, the loop polls for the next one for this long before it
    // sleeps. Falling asleep and waking up may take longer than a database needs for its answer. Zero: the
    // loop sleeps at once.
    void set_busy_poll(Duration window) { busy_poll_ = window; }

    // How often a poll found no event.
    [[nodiscard]] std::uint64_t vain_polls() const { return vain_polls_; }

    // Runs until stop(); may be run again afterwards.
    void run();

    // Called in a forked child, outside run(), before any other use of this loop: the kernel's set of watched
    // descriptors is one that parent and child share until then. Afterwards the loop is the child's own, with
    // all that it watches, and may be destroyed. Throws std::runtime_error.
    void separate_from_parent();

    void stop() { stopped_ = true; }

  private:
    friend class LibeventTimer;
    friend class LibeventWatch;
    struct SignalWatch;

    void refresh_now() { now_ = Clock::now(); }
    void watch_wake_ups();
    void event_came();
    void wait();
    void poll(TimePoint until);
    void pass(int flags);
    void run_deferred();
    void run_posted();

    event_base* base_;
    TimePoint now_;
    bool stopped_ = false;
    bool heavy_turn_taken_ = false;
    Duration busy_poll_{};
    bool came_ = false;      // an event came since the wait began
    TimePoint came_at_{};    // when the first of them came
    int brief_waits_ = 0;    // number of brief waits among the last ones, roughly
    TimePoint poll_from_{};  // no polling before this time
    CpuContention contention_;
    std::uint64_t vain_polls_ = 0;
    std::vector<Callback<void()>> deferred_;
    std::vector<Callback<void()>> running_;  // deferred work that is being done; kept for its memory
    int wake_fd_ = -1;
    std::unique_ptr<FdWatch> wake_watch_;
    std::mutex posted_mutex_;
    std::vector<Callback<void()>> posted_;
    std::atomic<bool> wake_pending_{false};
    std::vector<std::unique_ptr<SignalWatch>> signals_;
};

}  // namespace proxyd
