// `proxyctl status`: who answers the lookups, and how it is.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "proxyd/control/postfix/config_location.h"
#include "proxyd/master/environment.h"

namespace proxyd::control {

// All that can be found out. Under Postfix: "enabled", "master_cf", "line", "postfix_running", "relay"
// {"service", "present"}, "throttle_time" (master(8)'s wait after a failed start) and "mistakes", a list of
// lines about options with bad values; in any case "socket", "answers" ("proxyd", "another", "nobody",
// "unknown"), "problem" where there is one, and with proxyd "daemon", see proxyd/daemon/status_report.h.
// Without `socket` of the Postfix at `place`. Throws std::runtime_error when there is no Postfix.
[[nodiscard]] nlohmann::json find_status(const std::optional<std::string>& socket,
                                         const ConfigLocation& place, const master::Environment& environment);

// For people. Returns the exit status: 0 when proxyd answers, else 1.
[[nodiscard]] int print_status(const nlohmann::json& status, std::ostream& out);

}  // namespace proxyd::control
