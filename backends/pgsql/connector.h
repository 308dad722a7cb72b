// Opens one libpq connection without blocking: resolves names, tries the addresses of a host in turn.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <libpq-fe.h>

#include "backends/cluster/address_walk.h"
#include "backends/event/lifetime.h"
#include "backends/event/loop.h"
#include "backends/event/resolver.h"
#include "backends/pgsql/cluster.h"
#include "backends/pgsql/context.h"
#include "backends/pool/failure.h"

namespace proxyd::pgsql {

struct ConnectionCloser {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
using ConnectionHandle = std::unique_ptr<PGconn, ConnectionCloser>;

class Connector {
  public:
    // Exactly one of them is called, from the loop, never before start() returns. It may destroy the
    // connector.
    using Connected = std::function<void(ConnectionHandle)>;
    using Failed = std::function<void(const pool::Failure&)>;

    Connector(Context& context, const std::string& host, Connected connected, Failed failed);

    void start();

  private:
    void next_endpoint();
    void next_address();
    void try_address(const ConnectParameters& parameters);
    void poll();
    void watch_socket(bool read, bool write);
    void attempt_failed(const pool::Failure& failure, bool said_by_server);
    void share_is_over();

    Context& context_;
    std::string host_;
    Connected connected_;
    Failed failed_;
    std::vector<Endpoint> endpoints_;  // still to be tried, last first
    Endpoint endpoint_;                // being tried
    cluster::AddressWalk walk_;
    std::shared_ptr<Resolver::Handle> resolving_;  // kept, so that the name's addresses are renewed
    ConnectParameters current_;
    ConnectionHandle connection_;
    std::unique_ptr<FdWatch> watch_;  // behind the connection: it is destroyed before the socket is closed
    int watched_fd_ = -1;
    std::unique_ptr<Timer> share_timer_;
    std::unique_ptr<Timer> doubt_timer_;
    Lifetime lifetime_;
};

// The server's message for a failure while connecting, without the text that libpq adds; `sqlstate` gets the
// code.
[[nodiscard]] std::string connect_error_text(const std::string& libpq_message, std::string& sqlstate);

}  // namespace proxyd::pgsql
