// The pause before a serving process that died is started again.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

#include "backends/event/clock.h"

namespace proxyd::master {

// Doubles with each process that did not live long. Pure: the caller passes how long the last one lived.
class RestartDelay {
  public:
    static constexpr std::chrono::milliseconds first{100};
    static constexpr std::chrono::milliseconds longest{30000};

    // A process that has lived for this long did not die of its start.
    static constexpr std::chrono::seconds long_life{60};

    [[nodiscard]] std::chrono::milliseconds after_life_of(Duration life) {
        if (life >= long_life) next_ = first;
        return std::exchange(next_, std::min(2 * next_, longest));
    }

  private:
    std::chrono::milliseconds next_ = first;
};

}  // namespace proxyd::master
