// The interface between the pool and a database driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "backends/event/clock.h"
#include "backends/pool/failure.h"
#include "backends/pool/query.h"

namespace proxyd::pool {

// Identifies one sent query; the pool chooses it.
using QueryToken = std::uint64_t;

// Receives the events of a connection. Callbacks come from the loop only, never from inside a call of the
// pool to the connection. The connection stays alive until the callback has returned: the pool destroys it
// later.
class ConnectionObserver {
  public:
    virtual ~ConnectionObserver() = default;

    // The connection is ready for queries, after connect() and again after reset(). `round_trip` is the time
    // of an empty exchange with the server.
    virtual void connected(Duration round_trip) = 0;

    // The outcome of one query; outcomes come in any order. A driver reports FailureClass::too_large while
    // the answer arrives. This is the last event of the connection: the pool asks its other queries again on
    // another connection, and destroys it.
    virtual void finished(QueryToken token, const Outcome& outcome) = 0;

    // The connection is unusable; the queries under way get no outcome. No event follows.
    // FailureClass::resend: the connection became unusable before any of these queries was sent.
    virtual void closed(const Failure& failure) = 0;
};

// One connection to one host. Destroying it closes it without waiting, whatever it is doing.
class Connection {
  public:
    virtual ~Connection() = default;

    // Begins to connect. Called once. The pool limits the time.
    virtual void connect() = 0;

    // Sends a query; only after connected() and before closed().
    virtual void send(QueryToken token, const Query& query) = 0;

    // Begins to undo the changes that queries made to the session. The pool calls it while no query is under
    // way, and sends nothing before connected() or closed(). False: not possible; only a new connection is
    // clean.
    [[nodiscard]] virtual bool reset() { return false; }

    // Whether the transaction of the last query is still open on the server: the next query would see the
    // data as of that time. reset() ends it.
    [[nodiscard]] virtual bool holds_transaction() const { return false; }

    // Number of queries under way, counted from the first, that are answered as one batch: any of them may be
    // the slow one.
    [[nodiscard]] virtual std::size_t batch_size() const { return 1; }

    // Whether the pool should replace this connection once the queries under way are answered.
    [[nodiscard]] virtual bool should_recycle() const { return false; }
};

// Settings of a driver. They may change; operations that begin later use the new values.
struct DriverSettings {
    std::chrono::milliseconds connect_timeout{3000};    // shared by the addresses of one host
    std::chrono::milliseconds statement_timeout{9000};  // enforced by the server, where it can
};

class Driver {
  public:
    virtual ~Driver() = default;

    // Creates a connection to the host with this index; the observer outlives it.
    [[nodiscard]] virtual std::unique_ptr<Connection> make_connection(std::size_t host,
                                                                      ConnectionObserver& observer) = 0;

    // A text of a server or a library, without the passwords that the driver knows.
    [[nodiscard]] virtual std::string without_secrets(const std::string& text) const { return text; }

    // The user name of the login, for the log; "" when it is not known.
    [[nodiscard]] virtual std::string account() const { return {}; }

    // Whether several queries can be under way on one connection.
    [[nodiscard]] virtual bool pipelines() const = 0;
};

}  // namespace proxyd::pool
