// The proof that whoever answers can look something up.
#pragma once

#include <string>
#include <vector>

#include "proxyd/control/client/proxymap_connection.h"

namespace proxyd::control {

// Asks for nobody's address in the first of the tables that answers, and returns what came of it. `layout` is
// that of the installed Postfix. Throws QueryError when none does, with the failure of the first.
[[nodiscard]] std::string look_up(ProxymapConnection& connection, const std::vector<std::string>& tables,
                                  protocol::Layout layout);

}  // namespace proxyd::control
