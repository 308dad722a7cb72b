// The usual execution time of one table's queries.
#pragma once

#include <algorithm>
#include <chrono>

#include "backends/event/clock.h"

namespace proxyd::pool {

// Running mean and mean deviation; newer samples count more.
class UsualTime {
  public:
    void add(Duration sample) {
        if (samples_ == 0) {
            mean_ = sample;
            deviation_ = sample / 2;
        } else {
            const auto error = sample - mean_;
            mean_ += error / 8;
            deviation_ += ((error < Duration::zero() ? -error : error) - deviation_) / 4;
        }
        if (samples_ < enough) ++samples_;
    }

    [[nodiscard]] bool known() const { return samples_ > 0; }
    [[nodiscard]] bool well_known() const { return samples_ == enough; }
    [[nodiscard]] Duration mean() const { return mean_; }

    // A query that takes longer is late: its answer may never come. A table that is often slow gets the time
    // that its slow queries take. `least`: no query is late before.
    [[nodiscard]] Duration late_after(std::chrono::milliseconds least) const {
        return std::max<Duration>(least, known() ? mean_ + 4 * deviation_ : late_unknown);
    }

  private:
    static constexpr int enough = 8;
    static constexpr std::chrono::milliseconds late_unknown{500};

    Duration mean_{};
    Duration deviation_{};
    int samples_ = 0;
};

}  // namespace proxyd::pool
