// Time as all waiting code sees it.
#pragma once

#include <chrono>

namespace proxyd {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

// The moment by which a request must have its reply. Passed by value to all code that waits for it.
struct Deadline {
    TimePoint at;

    [[nodiscard]] bool passed(TimePoint now) const { return now >= at; }
    [[nodiscard]] Duration left(TimePoint now) const { return passed(now) ? Duration::zero() : at - now; }
};

}  // namespace proxyd
