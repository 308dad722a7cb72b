// The waiting line of one table in a pool, and the measured speed of the table.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/event/clock.h"
#include "backends/pool/query.h"
#include "backends/pool/usual_time.h"

namespace proxyd::pool {

// One caller that waits for the outcome.
struct Waiter {
    TimePoint since;
    Deadline deadline;
    OutcomeCallback callback;  // empty once answered
};

// A try of a query that gave no answer.
struct FailedTry {
    Failure failure;
    std::size_t host = 0;
};

// A query to the database, and all callers that wait for its answer.
struct Request {
    Query query;
    std::vector<Waiter> waiters;
    TimePoint queued_at;
    std::vector<std::size_t> failed_hosts;  // hosts that answered with an error of the query
    std::optional<FailedTry> last_failed;   // no value: no try has failed yet
    int losses = 0;                         // new connections that broke under it, and conflicts
    TimePoint lost_at{};                    // when the last connection broke
    std::size_t resends = 0;
    bool hedged = false;  // the first answer counts; no waiter joins, as the query was sent before
    TimePoint first_sent{};
    int hedges = 0;  // how often it was asked again because a connection was silent

    [[nodiscard]] bool failed_at(std::size_t host) const {
        return std::find(failed_hosts.begin(), failed_hosts.end(), host) != failed_hosts.end();
    }

    [[nodiscard]] bool abandoned() const {
        return std::none_of(waiters.begin(), waiters.end(), [](const Waiter& w) { return bool(w.callback); });
    }
};

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
    std::deque<std::shared_ptr<Request>> waiting;

    // Waiting requests by coalescing key, for further lookups with the same key.
    std::unordered_map<std::string_view, Request*> by_coalescing_key;

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
