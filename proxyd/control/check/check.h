// `proxyctl check`: finds the mistakes of a configuration before mail depends on it.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "proxyd/config/options.h"
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

// The options in force. A wrong option has its default. `findings`, if given, receives the findings about
// them.
[[nodiscard]] Options options_in_force(const ConfigLocation& place, const master::Environment& environment,
                                       std::vector<Finding>* findings = nullptr);

// Prints the options in force, as written in a file. A wrong option has its default. Each mistake becomes a
// line of `mistakes`. Returns the exit status: 1 with a mistake, else 0.
[[nodiscard]] int print_options(const ConfigLocation& place, const master::Environment& environment,
                                std::ostream& out, std::ostream& mistakes);

}  // namespace proxyd::control
