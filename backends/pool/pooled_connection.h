// One connection of a pool and the queries under way on it.
#pragma once

#include <memory>

#include "backends/pool/connection.h"
#include "backends/pool/ring_buffer.h"
#include "backends/pool/slow_share.h"
#include "backends/pool/table_queue.h"

namespace proxyd::pool {

class Pool;

// What has been done about the lookup of a query since the query was sent.
enum class Retry {
    none,   // nothing
    asked,  // it is asked elsewhere, too: the query is late, or may wait behind another one
    moved,  // another connection answers it: the outcome of the query is ignored
};

// The place of a query among the tries of its lookup.
enum class Try {
    first,     // the lookup was under way nowhere else
    later,     // it was, on another connection
    unproven,  // the same, on a connection that has been silent since the first try: it is late sooner
};

// A query that was sent and has no outcome yet.
struct InFlight {
    QueryToken token = 0;
    std::shared_ptr<Request> request;
    std::shared_ptr<TableQueue> queue;
    TimePoint sent;
    HeldShare share = HeldShare::none;
    Retry retry = Retry::none;
    Try attempt = Try::first;
    bool overdue = false;  // counted in the queue's overdue
    bool hedge = false;    // counted in the hedge line's hedges under way
};

enum class ConnectionState {
    connecting,  // connect() has begun
    ready,       // takes queries
    resetting,   // gets no queries until the session changes of the last one are undone
    retiring,    // gets no more queries and is closed after its last outcome
    closed,      // waits to be destroyed
};

class PooledConnection final : public ConnectionObserver {
  public:
    PooledConnection(Pool& pool, std::size_t host_index, TimePoint now)
        : host(host_index), since(now), pool_(pool) {}

    void connected(Duration round_trip) override;
    void finished(QueryToken token, const Outcome& outcome) override;
    void closed(const Failure& failure) override;

    [[nodiscard]] bool idle() const { return state == ConnectionState::ready && in_flight.empty(); }

    // Whether it will probably be ready within a moment.
    [[nodiscard]] bool coming() const {
        return state == ConnectionState::connecting || state == ConnectionState::resetting;
    }

    // When the server was last heard on this connection.
    [[nodiscard]] TimePoint heard_at() const { return std::max(opened_at, last_finished); }

    // When the server began with the query that it works on now.
    [[nodiscard]] TimePoint head_started() const { return std::max(in_flight.front().sent, last_finished); }

    const std::size_t host;
    ConnectionState state = ConnectionState::connecting;
    TimePoint since;            // start of connecting; later the last use
    TimePoint opened_at{};      // when it became ready
    TimePoint last_finished{};  // when the last outcome came
    bool silent = false;        // its query was answered elsewhere first; nothing has come since
    double age_share = 1.0;     // fraction of connection_lifetime: so that not all end at once
    Duration round_trip{};
    bool solitary = false;  // works on a query that must be alone on the connection
    RingBuffer<InFlight> in_flight;
    std::unique_ptr<Connection> connection;

  private:
    Pool& pool_;
};

}  // namespace proxyd::pool
