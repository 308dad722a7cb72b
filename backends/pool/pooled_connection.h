// One connection of a pool and the queries under way on it.
#pragma once

#include <deque>
#include <memory>

#include "backends/pool/connection.h"
#include "backends/pool/table_queue.h"

namespace proxyd::pool {

class Pool;

// A query that was sent and has no outcome yet.
struct InFlight {
    QueryToken token = 0;
    std::shared_ptr<Request> request;
    std::shared_ptr<TableQueue> queue;
    TimePoint sent;
    bool counted_slow = false;  // holds one of the queue's slow_connections
    bool overdue = false;       // counted in the queue's overdue
    bool asked_again =
        false;           // on another connection, because it may wait for another query here, or is late
    bool moved = false;  // nobody waits for it here: it was answered elsewhere, or will be
    bool slow_share_released =
        false;               // counted_slow, but not in the queue's slow_connections: it was asked again
    bool hedge = false;      // a second try, because another connection said nothing
    bool later_try = false;  // the lookup was under way on another connection already
    bool unproven = false;   // and nothing had been heard here since: this one is soon seen to be late, too
};

enum class ConnectionState {
    connecting,
    ready,
    resetting,  // gets no queries until what the last one may have left in the session is undone
    retiring,   // gets no more queries and is closed when its last one has its outcome
    closed,     // waits for its destruction
};

class PooledConnection final : public ConnectionObserver {
  public:
    PooledConnection(Pool& pool, std::size_t host_index, TimePoint now)
        : host(host_index), since(now), pool_(pool) {}

    void connected(Duration round_trip) override;
    void finished(QueryToken token, const Outcome& outcome) override;
    void closed(const Failure& failure) override;

    [[nodiscard]] bool idle() const { return state == ConnectionState::ready && in_flight.empty(); }

    // Likely to be ready within a moment.
    [[nodiscard]] bool coming() const {
        return state == ConnectionState::connecting || state == ConnectionState::resetting;
    }

    // When something was last heard of the server here.
    [[nodiscard]] TimePoint heard_at() const { return std::max(opened_at, last_finished); }

    // When the query that the server works on now began to be worked on.
    [[nodiscard]] TimePoint head_started() const { return std::max(in_flight.front().sent, last_finished); }

    const std::size_t host;
    ConnectionState state = ConnectionState::connecting;
    TimePoint since;            // of connecting; then of the last use
    TimePoint opened_at{};      // when it became ready
    TimePoint last_finished{};  // when the last outcome came
    bool silent = false;        // what it was asked last was answered elsewhere; nothing has come since
    double age_share = 1.0;     // of connection_lifetime: so that not all end at once
    Duration round_trip{};
    bool solitary = false;  // works on a query that wants the connection for itself
    std::deque<InFlight> in_flight;
    std::unique_ptr<Connection> connection;

  private:
    Pool& pool_;
};

}  // namespace proxyd::pool
