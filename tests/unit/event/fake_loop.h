// A loop whose time stands still until the test advances it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "backends/event/loop.h"

namespace proxyd {

class FakeLoop final : public Loop {
  public:
    [[nodiscard]] TimePoint now() const override { return now_; }

    [[nodiscard]] std::unique_ptr<Timer> make_timer(std::function<void()> callback) override {
        return std::make_unique<FakeTimer>(*this, std::move(callback));
    }
    [[nodiscard]] std::unique_ptr<FdWatch> watch(int fd, std::function<void(Ready)> callback) override {
        return std::make_unique<FakeWatch>(*this, fd, std::move(callback));
    }
    void defer(Callback<void()> work) override { deferred_.push_back(std::move(work)); }
    [[nodiscard]] bool take_heavy_turn() override { return true; }
    void post(Callback<void()> work) override {
        const std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(work));
    }

    // Makes a watched descriptor readable or writable, as one event.
    void ready(int fd, Ready what) {
        const auto callback = watched_.at(fd);
        event([&] { (*callback)(what); });
    }

    // One event: runs `work`, then all deferred work.
    template <typename Work>
    void event(Work&& work) {
        work();
        run_deferred();
    }

    // Advances the time. Timers fire in order, each as an event of its own.
    void advance(Duration duration) {
        const auto until = now_ + duration;
        run_deferred();
        while (!due_.empty() && due_.begin()->first.first <= until) {
            const auto [when, callback] = *due_.begin();
            due_.erase(due_.begin());
            now_ = std::max(now_, when.first);
            ++fired_;
            event(*callback);
        }
        now_ = until;
    }

    // Runs `work` after `duration`, unless `owner` has been destroyed by then.
    void after(Duration duration, const std::weak_ptr<bool>& owner, std::function<void()> work) {
        due_.emplace(std::pair{now_ + std::max(duration, Duration::zero()), ++sequence_},
                     std::make_shared<std::function<void()>>([owner, work = std::move(work)] {
                         if (owner.lock()) work();
                     }));
    }

    // The number of timers that have fired, which would have woken up a daemon.
    [[nodiscard]] std::uint64_t fired() const { return fired_; }

  private:
    using When = std::pair<TimePoint, std::uint64_t>;
    using TimerCallback = std::shared_ptr<std::function<void()>>;

    class FakeTimer final : public Timer {
      public:
        FakeTimer(FakeLoop& loop, std::function<void()> callback)
            : loop_(loop), callback_(std::make_shared<std::function<void()>>(std::move(callback))) {}
        ~FakeTimer() override { stop(); }
        FakeTimer(const FakeTimer&) = delete;
        FakeTimer& operator=(const FakeTimer&) = delete;
        void start(Duration after) override {
            stop();
            when_ = {loop_.now_ + std::max(after, Duration::zero()), ++loop_.sequence_};
            loop_.due_.emplace(when_, callback_);
        }
        void stop() override { loop_.due_.erase(when_); }
        [[nodiscard]] bool running() const override { return loop_.due_.contains(when_); }

      private:
        FakeLoop& loop_;
        TimerCallback callback_;
        When when_{};
    };

    class FakeWatch final : public FdWatch {
      public:
        FakeWatch(FakeLoop& loop, int fd, std::function<void(Ready)> callback) : loop_(loop), fd_(fd) {
            loop_.watched_[fd] = std::make_shared<std::function<void(Ready)>>(std::move(callback));
        }
        ~FakeWatch() override { loop_.watched_.erase(fd_); }
        FakeWatch(const FakeWatch&) = delete;
        FakeWatch& operator=(const FakeWatch&) = delete;
        void want(bool, bool) override {}

      private:
        FakeLoop& loop_;
        int fd_;
    };

    void run_deferred() {
        {
            const std::lock_guard lock(posted_mutex_);
            for (auto& work : posted_) deferred_.push_back(std::move(work));
            posted_.clear();
        }
        while (!deferred_.empty()) {
            const Callback<void()> work = std::move(deferred_.front());
            deferred_.pop_front();
            work();
        }
    }

    TimePoint now_{std::chrono::hours(1)};
    std::uint64_t sequence_ = 0;
    std::uint64_t fired_ = 0;
    std::map<When, TimerCallback> due_;
    std::map<int, std::shared_ptr<std::function<void(Ready)>>> watched_;
    std::deque<Callback<void()>> deferred_;
    std::mutex posted_mutex_;
    std::vector<Callback<void()>> posted_;
};

}  // namespace proxyd
