// `proxyctl status`: the server that answers the lookups, and its state.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "proxyd/control/postfix/config_location.h"

namespace proxyd::control {

// Collects the status. Under Postfix: "enabled", "master_cf", "line", "postfix_running" (to root alone),
// "relay" {"service", "present", "private", "runs", "answers"}, "throttle_time" (master(8)'s wait after a
// failed start) and "mistakes", a list of lines about options with bad values. In any case: "socket",
// "answers" ("proxyd", "another", "nobody", "unknown"), "problem" if there is one, and with proxyd "daemon",
// see proxyd/daemon/status_report.h. Without `socket` it asks the Postfix at `place`. Throws
// std::runtime_error when there is no Postfix.
[[nodiscard]] nlohmann::json find_status(const std::optional<std::string>& socket,
                                         const ConfigLocation& place);

// Prints the status for people. Returns the exit status: 0 when proxyd answers, else 1.
[[nodiscard]] int print_status(const nlohmann::json& status, std::ostream& out);

}  // namespace proxyd::control
