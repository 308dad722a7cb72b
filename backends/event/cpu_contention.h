// Detects whether other processes want the processor while the loop polls.
#pragma once

#include <utility>

namespace proxyd {

// Pure: the caller passes the system's count.
class CpuContention {
  public:
    // Called after each poll. `switches` is the system's count of involuntary context switches of this
    // thread. A context switch during a successful poll does not count: it may have been to the server that
    // answered. True: one poll in five met a context switch, so sleeping is better for a while. The count
    // then begins anew.
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
