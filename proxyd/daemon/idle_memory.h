// Returns memory to the system after a burst of lookups.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "backends/event/loop.h"

namespace proxyd {

// The allocator keeps freed memory, and returning it takes some milliseconds. So it is returned once no
// request, or none with a large answer, was answered for some seconds.
class IdleMemory {
  public:
    // `served` counts the requests answered so far. The loop outlives this.
    IdleMemory(Loop& loop, std::function<std::uint64_t()> served);

  private:
    void look();

    std::function<std::uint64_t()> served_;
    std::uint64_t seen_ = 0;
    bool returned_ = false;    // since the last request
    bool large_ones_ = false;  // came in the last interval
    std::unique_ptr<Timer> timer_;
};

}  // namespace proxyd
