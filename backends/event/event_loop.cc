#include "backends/event/event_loop.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include <event2/event.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

namespace proxyd {
namespace {

// A brief wait adds one, a long one subtracts two: the loop polls while more than two in three are brief.
constexpr int brief_enough = 4;
constexpr int most_brief = 8;

// After a sleep an event may be later by this factor and still count as brief: its senders and this process
// have to be woken first.
constexpr int sleep_factor = 4;

// Where others want the processor, a process that sleeps gets it back sooner than one that yields, and
// polling takes time from the others.
constexpr std::chrono::seconds crowded_pause{2};

}  // namespace

// libevent calls a C function with the object's address; a callback may destroy its own object, so the
// callable is moved to the stack for the time of the call and put back only if the object is still there.
class LibeventTimer final : public Timer {
  public:
    LibeventTimer(EventLoop& loop, std::function<void()> callback)
        : loop_(loop), callback_(std::make_shared<std::function<void()>>(std::move(callback))) {
        event_ = evtimer_new(loop.base_, &LibeventTimer::fired, this);
        if (event_ == nullptr) throw std::runtime_error("cannot create a timer");
    }
    ~LibeventTimer() override { event_free(event_); }
    LibeventTimer(const LibeventTimer&) = delete;
    LibeventTimer& operator=(const LibeventTimer&) = delete;

    void start(Duration after) override {
        const auto us = std::chrono::duration_cast<std::chrono::microseconds>(after).count();
        const timeval tv{us > 0 ? us / 1000000 : 0, us > 0 ? us % 1000000 : 0};
        evtimer_add(event_, &tv);
    }
    void stop() override { evtimer_del(event_); }
    [[nodiscard]] bool running() const override { return evtimer_pending(event_, nullptr) != 0; }

  private:
    static void fired(int, short, void* self) {
        auto& timer = *static_cast<LibeventTimer*>(self);
        timer.loop_.event_came();
        const auto callback = timer.callback_;
        (*callback)();
    }

    EventLoop& loop_;
    std::shared_ptr<std::function<void()>> callback_;
    event* event_;
};

class LibeventWatch final : public FdWatch {
  public:
    LibeventWatch(EventLoop& loop, int fd, std::function<void(Ready)> callback)
        : loop_(loop), fd_(fd), callback_(std::make_shared<std::function<void(Ready)>>(std::move(callback))) {
        event_ = event_new(loop.base_, fd, 0, &LibeventWatch::fired, this);
        if (event_ == nullptr) throw std::runtime_error("cannot watch a descriptor");
    }
    ~LibeventWatch() override { event_free(event_); }
    LibeventWatch(const LibeventWatch&) = delete;
    LibeventWatch& operator=(const LibeventWatch&) = delete;

    void want(bool read, bool write) override {
        const auto events = static_cast<short>((read ? EV_READ : 0) | (write ? EV_WRITE : 0));
        if (events == events_) return;
        if (events_ != 0) event_del(event_);
        events_ = events;
        if (events == 0) return;
        event_assign(event_, loop_.base_, fd_, static_cast<short>(events | EV_PERSIST), &LibeventWatch::fired,
                     this);
        event_add(event_, nullptr);
    }

  private:
    static void fired(int, short what, void* self) {
        auto& watch = *static_cast<LibeventWatch*>(self);
        watch.loop_.event_came();
        const auto callback = watch.callback_;
        (*callback)(Ready{(what & EV_READ) != 0, (what & EV_WRITE) != 0});
    }

    EventLoop& loop_;
    int fd_;
    short events_ = 0;
    std::shared_ptr<std::function<void(Ready)>> callback_;
    event* event_;
};

struct EventLoop::SignalWatch {
    SignalWatch(EventLoop& loop, int number, std::function<void()> function) : callback(std::move(function)) {
        event_ = evsignal_new(
            loop.base_, number, [](int, short, void* self) { static_cast<SignalWatch*>(self)->callback(); },
            this);
        if (event_ == nullptr || event_add(event_, nullptr) != 0)
            throw std::runtime_error("cannot watch a signal");
    }
    ~SignalWatch() { event_free(event_); }
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;

    std::function<void()> callback;
    event* event_;
};

EventLoop::EventLoop() : now_(Clock::now()) {
    event_config* config = event_config_new();
    // The change-list saves epoll_ctl calls where interest in writing comes and goes within one pass.
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
    base_ = event_base_new_with_config(config);
    event_config_free(config);
    if (base_ == nullptr) throw std::runtime_error("cannot create the event loop");
    watch_wake_ups();
}

void EventLoop::watch_wake_ups() {
    wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd_ < 0) throw std::runtime_error(std::string("eventfd: ") + std::strerror(errno));
    wake_watch_ = watch(wake_fd_, [this](Ready) { run_posted(); });
    wake_watch_->want(true, false);
}

void EventLoop::separate_from_parent() {
    if (event_reinit(base_) != 0) throw std::runtime_error("the event loop cannot be used after a fork");
    wake_watch_.reset();
    close(wake_fd_);
    watch_wake_ups();
}

EventLoop::~EventLoop() {
    // Deferred work may own timers and watches of this loop.
    while (!deferred_.empty()) run_deferred();
    run_posted();
    while (!deferred_.empty()) run_deferred();
    signals_.clear();
    wake_watch_.reset();
    close(wake_fd_);
    event_base_free(base_);
}

std::unique_ptr<Timer> EventLoop::make_timer(std::function<void()> callback) {
    return std::make_unique<LibeventTimer>(*this, std::move(callback));
}

std::unique_ptr<FdWatch> EventLoop::watch(int fd, std::function<void(Ready)> callback) {
    return std::make_unique<LibeventWatch>(*this, fd, std::move(callback));
}

void EventLoop::defer(Callback<void()> work) {
    deferred_.push_back(std::move(work));
}

void EventLoop::post(Callback<void()> work) {
    {
        const std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(work));
    }
    // One wake-up serves all posted work until the loop takes it.
    if (!wake_pending_.exchange(true)) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof one);
    }
}

void EventLoop::on_signal(int signal_number, std::function<void()> callback) {
    signals_.push_back(
        std::make_unique<SignalWatch>(*this, signal_number, [this, callback = std::move(callback)] {
            event_came();
            callback();
        }));
}

void EventLoop::run() {
    while (!stopped_) {
        if (!deferred_.empty()) run_deferred();
        if (stopped_) break;
        if (deferred_.empty()) {
            wait();
        } else {
            pass(EVLOOP_NONBLOCK);
        }
    }
    stopped_ = false;
}

void EventLoop::event_came() {
    refresh_now();
    if (came_) return;
    came_ = true;
    came_at_ = now_;
}

void EventLoop::pass(int flags) {
    heavy_turn_taken_ = false;
    if (event_base_loop(base_, EVLOOP_ONCE | flags) < 0) throw std::runtime_error("the event loop failed");
    refresh_now();
}

// Sleeps until an event comes. If the last waits were brief, it polls for a while first.
void EventLoop::wait() {
    const auto began = now_;
    came_ = false;
    auto brief_limit = busy_poll_ * sleep_factor;
    if (brief_waits_ >= brief_enough && began >= poll_from_) {
        brief_limit = busy_poll_;
        pass(EVLOOP_NONBLOCK);
        if (!came_) poll(began + busy_poll_);
    }
    if (!came_ && !stopped_ && deferred_.empty()) pass(0);
    const bool brief = came_ && came_at_ - began < brief_limit;
    brief_waits_ = brief ? std::min(brief_waits_ + 1, most_brief) : std::max(brief_waits_ - 2, 0);
}

void EventLoop::poll(TimePoint until) {
    while (!came_ && !stopped_ && deferred_.empty() && now_ < until) {
        ++vain_polls_;
        std::this_thread::yield();
        pass(EVLOOP_NONBLOCK);
    }
    rusage used{};
    (void)getrusage(RUSAGE_THREAD, &used);
    if (contention_.add_poll(used.ru_nivcsw, now_ >= until)) poll_from_ = now_ + crowded_pause;
}

void EventLoop::run_deferred() {
    heavy_turn_taken_ = false;  // otherwise descriptors that are always ready would leave it none
    running_.swap(deferred_);
    for (auto& item : running_) {
        item();
        item = nullptr;
    }
    running_.clear();
}

void EventLoop::run_posted() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = read(wake_fd_, &count, sizeof count);
    wake_pending_ = false;
    std::vector<Callback<void()>> work;
    {
        const std::lock_guard lock(posted_mutex_);
        work.swap(posted_);
    }
    for (auto& item : work) {
        item();
        item = nullptr;
    }
}

}  // namespace proxyd
