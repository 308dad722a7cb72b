// The server that answers the lookups at a service's socket: proxyd or another one.
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
    std::string problem;    // why there is no server, or why it is unknown
};

// Sends no request to the service, so that its log shows nothing: proxyd names its clients on its control
// channel. Connects `connection` to the service at `socket`. The caller may use it for lookups afterwards:
// the server found answers them. Waits `limit` at most, and a few seconds more when the control channel is
// stuck. Throws QueryError when `connection` gives up.
[[nodiscard]] ServerIdentity identify_server(ProxymapConnection& connection, const std::string& socket,
                                             std::chrono::milliseconds limit = std::chrono::seconds(5));

}  // namespace proxyd::control
