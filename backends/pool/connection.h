// What the pool needs of a database driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "backends/event/clock.h"
#include "backends/pool/failure.h"
#include "backends/pool/query.h"

namespace proxyd::pool {

// Names one sent query; the pool chooses it.
using QueryToken = std::uint64_t;

// What a connection reports. Called from the loop only, never from inside a call of the pool to the
// connection. The connection stays alive until the call has returned: the pool destroys it later.
class ConnectionObserver {
  public:
    virtual ~ConnectionObserver() = default;

    // Ready for queries, at first and again after reset(). `round_trip` is the time that an empty exchange
    // with the server took.
    virtual void connected(Duration round_trip) = 0;

    // The outcome of one query; outcomes come in any order. With FailureClass::too_large, which a driver
    // reports while the answer arrives, it is the last word of the connection: the pool asks what else is
    // under way on it on another one, and destroys it.
    virtual void finished(QueryToken token, const Outcome& outcome) = 0;

    // The connection is of no use any more; queries without an outcome have none. Nothing is reported after
    // this. FailureClass::resend: it was so before any of these was sent.
    virtual void closed(const Failure& failure) = 0;
};

// One connection to one host. Destroying it closes it without waiting, whatever it is doing.
class Connection {
  public:
    virtual ~Connection() = default;

    // Begins to connect. Called once. The pool watches the time that it may take.
    virtual void connect() = 0;

    // Sends a query; only after connected() and before closed().
    virtual void send(QueryToken token, const Query& query) = 0;

    // Begins to undo what queries have left in its session; nothing is under way then, and nothing is sent
    // before connected() or closed() has told the outcome. False: it cannot; only a new connection is clean.
    [[nodiscard]] virtual bool reset() { return false; }

    // Whether the server goes on with a transaction in which the last query was answered: the next one would
    // see the data as it was then. reset() ends it.
    [[nodiscard]] virtual bool holds_transaction() const { return false; }

    // How many of the queries under way, from the first, are answered together, so that any of them may be
    // the one that takes long.
    [[nodiscard]] virtual std::size_t batch_size() const { return 1; }

    // It has served long enough: better another one takes its place when it has answered what is under way.
    [[nodiscard]] virtual bool should_recycle() const { return false; }
};

// What a driver keeps to. It may change; what is begun later goes by the new ones.
struct DriverSettings {
    std::chrono::milliseconds connect_timeout{3000};    // shared by the addresses of one host
    std::chrono::milliseconds statement_timeout{9000};  // enforced by the server, where it can
};

class Driver {
  public:
    virtual ~Driver() = default;

    // A connection to the host with this index; the observer outlives it.
    [[nodiscard]] virtual std::unique_ptr<Connection> make_connection(std::size_t host,
                                                                      ConnectionObserver& observer) = 0;

    // What a server or a library said, without the passwords that the driver knows.
    [[nodiscard]] virtual std::string without_secrets(const std::string& text) const { return text; }

    // As whom it logs in, for the log's sake; "" when that is not known.
    [[nodiscard]] virtual std::string account() const { return {}; }

    // Whether several queries can be under way on one connection.
    [[nodiscard]] virtual bool pipelines() const = 0;
};

}  // namespace proxyd::pool
