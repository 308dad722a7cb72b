// The waiting line of one table in a pool, and what is known of the table's speed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/event/clock.h"
#include "backends/pool/query.h"
#include "backends/pool/usual_time.h"

namespace proxyd::pool {

// One that waits for the outcome.
struct Waiter {
    TimePoint since;
    Deadline deadline;
    OutcomeCallback callback;  // empty once answered
};

// A question to the database, and all who wait for its answer.
struct Request {
    Query query;
    std::vector<Waiter> waiters;
    TimePoint queued_at;
    std::vector<std::size_t> failed_hosts;  // that answered it with an error of the query
    Failure last_failure;                   // of the last try
    std::size_t last_host = 0;              // of that
    int losses = 0;                         // new connections broken while it was answered, and conflicts
    TimePoint lost_at{};                    // when that was last
    std::size_t resends = 0;
    bool hedged = false;  // the first answer counts; nobody joins, as one was asked for before
    TimePoint first_sent{};
    int hedges = 0;  // how many times it was asked again because a connection was silent

    [[nodiscard]] bool abandoned() const {
        return std::none_of(waiters.begin(), waiters.end(), [](const Waiter& w) { return bool(w.callback); });
    }
};

enum class Speed { unknown, fast, slow };

// Execution times at or above this make a table slow: its queries get connections for themselves, and not all
// of them.
inline constexpr std::chrono::milliseconds slow_query{10};

// Execution times below this are so brief that an answer may wait for those of the next few queries, unless
// one of them has taken long within the last while.
inline constexpr std::chrono::microseconds brief_query{500};
inline constexpr std::chrono::minutes brief_again_after{1};

// No query is late before. Where the connection may well be no better than the last one it soon is.
inline constexpr std::chrono::milliseconds least_late{250};
inline constexpr std::chrono::milliseconds least_late_unproven{100};

class TableQueue {
  public:
    explicit TableQueue(std::string table) : table_(std::move(table)) {}

    [[nodiscard]] const std::string& table() const { return table_; }

    // First in, first out; a request whose connection broke goes back to the front.
    std::deque<std::shared_ptr<Request>> waiting;

    // Waiting requests by identity, for those that ask the same.
    std::unordered_map<std::string_view, Request*> by_coalescing_key;

    // The line of those that were answered with an error of the query and shall ask another host: they hold
    // up nobody else of the table. Null: there were none yet.
    std::shared_ptr<TableQueue> failover_queue;
    bool is_failover = false;  // this is such a line

    // How many connections work on this queue's queries when it is not fast.
    int slow_connections = 0;

    // Queries under way for longer than slow_query.
    int overdue = 0;

    [[nodiscard]] Speed speed() const {
        if (overdue > 0) return Speed::slow;
        if (!usual_.known()) return Speed::unknown;
        return usual_.mean() >= slow_query ? Speed::slow : Speed::fast;
    }

    // Its queries are quick, save perhaps for some that are under way.
    [[nodiscard]] bool usually_fast() const { return usual_.known() && usual_.mean() < slow_query; }

    [[nodiscard]] bool brief(TimePoint now) const {
        const bool trusted = held_up_at_ == TimePoint{} || now - held_up_at_ >= brief_again_after;
        return usual_.well_known() && usual_.mean() < brief_query && trusted;
    }

    // A query that is under way for longer is asked a second time.
    [[nodiscard]] Duration late_after(std::chrono::milliseconds least = least_late) const {
        return usual_.late_after(least);
    }

    // A query has held up the answers of others.
    void held_up(TimePoint now) { held_up_at_ = now; }

    // The server's time for one query, the network not counted.
    void sample(Duration execution) { usual_.add(execution); }

  private:
    std::string table_;
    TimePoint held_up_at_{};
    UsualTime usual_;
};

}  // namespace proxyd::pool
