// The signs of life that a serving process shows to the front process, in shared memory.
#pragma once

#include <atomic>
#include <cstdint>

#include "backends/event/clock.h"
#include "backends/report/activity.h"

namespace proxyd::master {

// Shared with processes that are forked after its construction. One process beats, the other reads.
class Heartbeat {
  public:
    Heartbeat();  // throws std::system_error
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

    // Called by the serving process, from a timer of its loop.
    void beat() noexcept { pulse_->beats.fetch_add(1, std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t beats() const noexcept {
        return pulse_->beats.load(std::memory_order_relaxed);
    }
    [[nodiscard]] ActivityBoard& board() noexcept { return pulse_->board; }

  private:
    struct Pulse {
        std::atomic<std::uint64_t> beats{0};
        ActivityBoard board;
    };
    Pulse* pulse_;
};

// Decides whether a process whose beats are counted stands still. Pure: the caller passes the time. Time
// without a call does not count, because then the asking process was stopped or suspended, too.
class StandstillClock {
  public:
    StandstillClock(Duration limit, TimePoint now) : limit_(limit), asked_(now) {}

    // How often to ask, and to beat.
    [[nodiscard]] static Duration interval(Duration limit) { return limit / 8; }

    // Whether there has been no beat for the limit.
    [[nodiscard]] bool stands_still(std::uint64_t beats, TimePoint now);

    // How long there has been no beat.
    [[nodiscard]] Duration quiet() const { return quiet_; }

  private:
    Duration limit_;
    TimePoint asked_;
    std::uint64_t beats_ = 0;
    Duration quiet_{};
};

}  // namespace proxyd::master
