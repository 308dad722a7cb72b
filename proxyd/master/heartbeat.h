// What a serving process shows of itself to the process in front of it, in memory that both see.
#pragma once

#include <atomic>
#include <cstdint>

#include "backends/event/clock.h"
#include "backends/report/activity.h"

namespace proxyd::master {

// Shared with the processes that are forked after its construction. One process beats, one listens.
class Heartbeat {
  public:
    Heartbeat();  // throws std::system_error
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

    // By the serving process, each time its loop comes round.
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

// Decides whether a process whose beats are counted stands still. Pure: time is handed in. Time in which
// nobody asked, as the asking process was stopped or suspended, too, does not count.
class StandstillClock {
  public:
    StandstillClock(Duration limit, TimePoint now) : limit_(limit), asked_(now) {}

    // How often to ask, and to beat.
    [[nodiscard]] static Duration interval(Duration limit) { return limit / 8; }

    // Whether there has been no beat for the limit.
    [[nodiscard]] bool stands_still(std::uint64_t beats, TimePoint now);

    // How long there has been none.
    [[nodiscard]] Duration quiet() const { return quiet_; }

  private:
    Duration limit_;
    TimePoint asked_;
    std::uint64_t beats_ = 0;
    Duration quiet_{};
};

}  // namespace proxyd::master
