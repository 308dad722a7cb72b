// What is known of one table's speed, and its lookups that wait for a thread of their own. Of the loop alone.
#pragma once

#include <chrono>
#include <deque>

#include "backends/sqlite/lookup.h"

namespace proxyd::sqlite {

// Lookups that take so long do not share a thread with quick ones.
inline constexpr std::chrono::milliseconds slow_lookup{2};

// What the table's file says of these; the smallest values of its tables hold for a database.
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

    std::deque<Lookup> waiting;
    int running = 0;  // on threads of their own
    int overdue = 0;  // of these: such as have shown only there that they take long

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
