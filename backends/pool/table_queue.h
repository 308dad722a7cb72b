// The waiting line of one table in a pool, and the measured speed of the table.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "backends/event/clock.h"
#include "backends/pool/coalescing_index.h"
#include "backends/pool/request.h"
#include "backends/pool/ring_buffer.h"
#include "backends/pool/usual_time.h"

namespace proxyd::pool {

enum class Speed {
    unknown,  // no answer has come yet
    fast,     // below slow_query
    slow,     // not below it, or a query that is under way takes that long
};

// Execution times at or above this make a table slow: its queries get connections for themselves, but not all
// of them.
inline constexpr std::chrono::milliseconds slow_query{10};

// Execution times below this are brief: an answer may wait for the next few queries of its batch, unless a
// query has held up the others of its batch within the last `brief_again_after`.
inline constexpr std::chrono::microseconds brief_query{500};
inline constexpr std::chrono::minutes brief_again_after{1};

// No query is late before. The shorter time is for a connection that may be as silent as the last one.
inline constexpr std::chrono::milliseconds least_late{250};
inline constexpr std::chrono::milliseconds least_late_unproven{100};

class TableQueue {
  public:
    explicit TableQueue(std::string table) : table_(std::move(table)) {}

    [[nodiscard]] const std::string& table() const { return table_; }

    // First in, first out; a request whose connection broke returns to the front.
    RingBuffer<std::shared_ptr<Request>> waiting;

    // Those of the waiting requests that further lookups can share.
    CoalescingIndex shareable;

    // The failover queue, for requests that were answered with an error of the query and shall ask another
    // host. They do not hold up the table's other requests. Null: it was not needed yet.
    std::shared_ptr<TableQueue> failover_queue;
    bool is_failover = false;  // this is a failover queue

    // Number of connections that work on this queue's queries while it is not fast. SlowShare counts it.
    int slow_connections = 0;

    // Number of queries under way for longer than slow_query.
    int overdue = 0;

    [[nodiscard]] Speed speed() const {
        if (overdue > 0) return Speed::slow;
        if (!usual_.known()) return Speed::unknown;
        return usual_.mean() >= slow_query ? Speed::slow : Speed::fast;
    }

    // Whether its queries are usually quick; some that are under way may be slow.
    [[nodiscard]] bool usually_fast() const { return usual_.known() && usual_.mean() < slow_query; }

    [[nodiscard]] bool brief(TimePoint now) const {
        const bool trusted = held_up_at_ == TimePoint{} || now - held_up_at_ >= brief_again_after;
        return usual_.well_known() && usual_.mean() < brief_query && trusted;
    }

    // A query that is under way for longer is hedged.
    [[nodiscard]] Duration late_after(std::chrono::milliseconds least = least_late) const {
        return usual_.late_after(least);
    }

    // A query has held up the answers of others of its batch.
    void held_up(TimePoint now) { held_up_at_ = now; }

    // Adds the server's time for one query, without the network.
    void sample(Duration execution) { usual_.add(execution); }

  private:
    std::string table_;
    TimePoint held_up_at_{};
    UsualTime usual_;
};

}  // namespace proxyd::pool
