// Forgetting answers on request: `proxyctl flush`.
#pragma once

#include <nlohmann/json.hpp>

#include "backends/table/table_set.h"
#include "proxyd/config/site.h"

namespace proxyd {

// The reply to {"command": "flush"}, with "table" for one table and "keys", a list, for some of its answers:
// "flushed" is the number of forgotten answers. Throws std::exception for a table that this daemon does not
// serve and for malformed requests.
[[nodiscard]] nlohmann::json flush_answers(table::TableSet& tables, const Site& site,
                                           const nlohmann::json& request);

}  // namespace proxyd
