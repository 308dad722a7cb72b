// Who answers the lookups at a service's socket: proxyd, or somebody else.
#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "proxyd/control/client/proxymap_connection.h"

namespace proxyd::control {

enum class ServerKind {
    none,  // the socket has no server, or one that does not answer
    proxyd,
    another,
    unknown,  // this user may not ask
};

struct ServerIdentity {
    ServerKind kind = ServerKind::none;
    nlohmann::json status;  // of proxyd, see proxyd/daemon/status_report.h
    std::string problem;    // why it is none, or cannot be told
};

// Finds out without asking anything of the service, so that nothing of it shows in its log: proxyd names its
// clients on its control channel. `connection` is to the service at `socket`, connected by this, and may be
// used for lookups afterwards: they are then answered by the one found. Waits `limit` at most, and a few
// seconds more when the control channel is stuck. Throws QueryError when `connection` gives up.
[[nodiscard]] ServerIdentity identify_server(ProxymapConnection& connection, const std::string& socket,
                                             std::chrono::milliseconds limit = std::chrono::seconds(5));

}  // namespace proxyd::control
