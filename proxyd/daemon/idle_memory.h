// What a burst of lookups needed goes back to the system when it is over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "backends/event/loop.h"

namespace proxyd {

// The allocator keeps what was freed, and giving it back takes some milliseconds: that waits until no request
// was answered for some seconds, or none with a large answer.
class IdleMemory {
  public:
    // `served` counts the requests answered so far. The loop outlives this.
    IdleMemory(Loop& loop, std::function<std::uint64_t()> served);

  private:
    void look();

    std::function<std::uint64_t()> served_;
    std::uint64_t seen_ = 0;
    bool returned_ = false;    // since the last request
    bool large_ones_ = false;  // have come since the memory was given back
    std::unique_ptr<Timer> timer_;
};

}  // namespace proxyd
