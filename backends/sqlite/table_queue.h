// The measured speed of one table, and its lookups that wait for a thread of their own. Used by the loop
// alone.
#pragma once

#include <chrono>
#include <deque>

#include "backends/sqlite/lookup.h"

namespace proxyd::sqlite {

// Lookups that take this long do not share a thread with quick ones.
inline constexpr std::chrono::milliseconds slow_lookup{2};

// The limits in table files; for a database the smallest values of its tables hold.
struct Limits {
    std::size_t handles = 8;  // pool_size
    std::size_t queue = 10000;
    Duration idle = std::chrono::seconds(60);
    std::size_t answer = pool::no_answer_limit;
};

class TableQueue {
  public:
    explicit TableQueue(Limits limits) : limits_(limits) {}

    [[nodiscard]] const Limits& limits() const { return limits_; }

    std::deque<SharedLookup> waiting;
    int running = 0;  // lookups on threads of their own
    int overdue = 0;  // those of them that turned out to be slow only there

    [[nodiscard]] bool slow() const { return overdue > 0 || mean_ >= slow_lookup; }

    void sample(Duration took) {
        mean_ = sampled_ ? mean_ + (took - mean_) / 8 : took;
        sampled_ = true;
    }

  private:
    Limits limits_;
    Duration mean_{};
    bool sampled_ = false;
};

}  // namespace proxyd::sqlite
