// Exponential back-off with jitter.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

#include "backends/event/clock.h"

namespace proxyd::pool {

struct BackoffLimits {
    std::chrono::milliseconds first{10};
    std::chrono::milliseconds longest{500};
};

// The wait before the next try. Each failure doubles it up to the limit. Jitter subtracts up to a quarter, so
// that many processes do not retry at the same moment.
class Backoff {
  public:
    explicit Backoff(BackoffLimits limits) : limits_(limits) {}

    [[nodiscard]] Duration next(std::minstd_rand& random) {
        auto wait = limits_.longest;
        if (failures_ < 20)
            wait = std::min<std::chrono::milliseconds>(limits_.first * (1LL << failures_), wait);
        ++failures_;
        std::uniform_real_distribution<double> jitter(0.75, 1.0);
        return std::chrono::duration_cast<Duration>(wait * jitter(random));
    }
    void reset() { failures_ = 0; }
    [[nodiscard]] int failures() const { return failures_; }

  private:
    BackoffLimits limits_;
    int failures_ = 0;
};

}  // namespace proxyd::pool
