// The share of a processor that this process takes.
#pragma once

#include "backends/event/clock.h"

namespace proxyd {

// Of the time between the last two looks but one and now, so that it covers an interval at least.
class LoadMeter {
  public:
    explicit LoadMeter(TimePoint now) : last_(sample(now)), before_(last_) {}

    // To be called at regular intervals.
    void look(TimePoint now) {
        before_ = last_;
        last_ = sample(now);
    }

    // 1.0: one processor.
    [[nodiscard]] double share(TimePoint now) const;

  private:
    struct Sample {
        TimePoint at;
        Duration used;
    };
    [[nodiscard]] static Sample sample(TimePoint now);

    Sample last_;
    Sample before_;
};

}  // namespace proxyd
