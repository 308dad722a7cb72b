// The user that the daemon of a configuration runs as.
#pragma once

#include <optional>
#include <string>

#include "proxyd/control/postfix/config_location.h"
#include "proxyd/master/privileges.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd::control {

struct DaemonUser {
    master::Account account;
    std::string group;
    std::string known_from;  // mail_owner, proxyd.service or --user
};

// No value when the user is unknown or root. `main_cf` is that of the daemon's Postfix; null: the daemon runs
// on its own. Throws std::runtime_error when the user does not exist.
[[nodiscard]] std::optional<DaemonUser> find_daemon_user(const ConfigLocation& place,
                                                         const postfix::MainCf* main_cf);

}  // namespace proxyd::control
