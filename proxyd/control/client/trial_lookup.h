// The proof that a server can look something up.
#pragma once

#include <string>
#include <vector>

#include "proxyd/control/client/proxymap_connection.h"

namespace proxyd::control {

// Looks up a test address in the first of the tables that answers, and returns the result as text. `layout`
// is that of the installed Postfix. When no table answers, throws QueryError with the failure of the first.
[[nodiscard]] std::string look_up(ProxymapConnection& connection, const std::vector<std::string>& tables,
                                  protocol::Layout layout);

}  // namespace proxyd::control
