// The settings of the daemon's relay, server and service, as the configuration gives them.
#pragma once

#include "backends/relay/relay.h"
#include "proxyd/config/site.h"
#include "proxyd/master/arguments.h"
#include "proxyd/server/server.h"

namespace proxyd {

// `arguments` tell which service this process is: it never relays a request to itself.
[[nodiscard]] relay::RelaySettings relay_settings(const Site& site, const master::DaemonArguments& arguments);

[[nodiscard]] server::ServerSettings server_settings(const Site& site);

[[nodiscard]] server::ServiceSettings service_settings(const Site& site,
                                                       const master::DaemonArguments& arguments);

}  // namespace proxyd
