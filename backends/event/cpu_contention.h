// Whether others want the processor while the loop polls.
#pragma once

#include <utility>

namespace proxyd {

// Pure: what the system counts is handed in.
class CpuContention {
  public:
    // After each poll. `switches` is how often the system has given the processor to others against our will
    // since the process began. Whom a poll met that was not in vain may have been the one that answers: then
    // it was quick. True: one poll in five has met others, so that sleeping is better for a while. The count
    // begins anew.
    [[nodiscard]] bool add_poll(long switches, bool in_vain) {
        const bool met_others = switches != std::exchange(switches_, switches) && in_vain;
        level_ = met_others ? level_ + 4 : (level_ > 0 ? level_ - 1 : 0);
        if (level_ < enough) return false;
        level_ = 0;
        return true;
    }

  private:
    static constexpr int enough = 16;

    int level_ = 0;
    long switches_ = 0;
};

}  // namespace proxyd
