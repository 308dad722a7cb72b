// `proxyctl check`: finds the mistakes of a configuration before mail depends on it.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "proxyd/control/check/finding.h"
#include "proxyd/control/postfix/config_location.h"
#include "proxyd/master/environment.h"

namespace proxyd::control {

struct CheckResult {
    Findings findings;
    std::size_t tables = 0;
    std::size_t answering = 0;                // only with `connect`
    std::string reader;                       // the user whose permissions were checked; "": the caller
    bool in_use = false;                      // some parameter asks for a table that proxyd itself serves
    std::vector<std::string> reading_tables;  // see TableCheck::reading_tables()
};

// With `connect` and as root, changes to the daemon's user for good before it asks the databases, so that
// they see the same user as later. Throws std::runtime_error when there is nothing to check.
[[nodiscard]] CheckResult check(const ConfigLocation& place, const master::Environment& environment,
                                bool connect);

// Prints one line per finding and a closing line. Returns the exit status: 1 with an error, else 0.
[[nodiscard]] int report(const CheckResult& result, bool connect, std::ostream& out);

}  // namespace proxyd::control
