// A lookup's query on its way through the pool.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "backends/event/clock.h"
#include "backends/pool/query.h"

namespace proxyd::pool {

// One caller that waits for the outcome.
struct Waiter {
    TimePoint since;
    Deadline deadline;
    OutcomeCallback callback;  // empty once answered
};

// The callers that wait for one query: mostly a single one.
class WaiterList {
  public:
    void add(TimePoint since, Deadline deadline, OutcomeCallback&& callback) {
        Waiter& waiter = size_++ == 0 ? first_ : further_.emplace_back();
        waiter.since = since;
        waiter.deadline = deadline;
        waiter.callback = std::move(callback);
    }

    [[nodiscard]] std::size_t size() const { return size_; }
    // A reference is valid until a waiter is added.
    [[nodiscard]] Waiter& operator[](std::size_t index) { return index == 0 ? first_ : further_[index - 1]; }

    // Whether all are answered.
    [[nodiscard]] bool all_answered() const {
        return !first_.callback && std::none_of(further_.begin(), further_.end(),
                                                [](const Waiter& waiter) { return bool(waiter.callback); });
    }

  private:
    Waiter first_{};
    std::vector<Waiter> further_;
    std::size_t size_ = 0;
};

// A try of a query that gave no answer.
struct FailedTry {
    Failure failure;
    std::size_t host = 0;
};

// A query to the database, and all callers that wait for its answer.
struct Request {
    Query query;
    WaiterList waiters;
    TimePoint queued_at;
    std::vector<std::size_t> failed_hosts;  // hosts that answered with an error of the query
    std::optional<FailedTry> last_failed;   // no value: no try has failed yet
    int losses = 0;                         // new connections that broke under it, and conflicts
    TimePoint lost_at{};                    // when the last connection broke
    std::size_t resends = 0;
    bool hedged = false;  // the first answer counts; no waiter joins, as the query was sent before
    TimePoint first_sent{};
    int hedges = 0;  // how often it was asked again because a connection was silent

    // Of the CoalescingIndex.
    std::size_t index_hash = 0;
    Request* next_in_index = nullptr;
    bool indexed = false;

    [[nodiscard]] bool failed_at(std::size_t host) const {
        return std::find(failed_hosts.begin(), failed_hosts.end(), host) != failed_hosts.end();
    }

    [[nodiscard]] bool abandoned() const { return waiters.all_answered(); }
};

}  // namespace proxyd::pool
