// Who answers the lookups at a service's socket: proxyd, or somebody else.
#pragma once

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "proxyd/control/proxymap_connection.h"

namespace proxyd::control {

enum class Who {
    nobody,
    proxyd,
    another,
    unknown,  // this user may not ask
};

struct Answerer {
    Who who = Who::nobody;
    nlohmann::json status;  // of proxyd, see proxyd/status.h
    std::string problem;    // why it is nobody, or cannot be told
};

// Finds out without asking anything of the service, so that nothing of it shows in its log: proxyd names its
// clients on its control channel. `connection` is to the service at `socket`, connected by this, and may be
// used for lookups afterwards: they are then answered by the one found. Waits `limit` at most, and a few
// seconds more when the control channel is stuck. Throws QueryError when `connection` gives up.
[[nodiscard]] Answerer find_answerer(ProxymapConnection& connection, const std::string& socket,
                                     std::chrono::milliseconds limit = std::chrono::seconds(5));

}  // namespace proxyd::control
