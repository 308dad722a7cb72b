// `proxyctl check`: everything that can be said about a configuration before mail depends on it.
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
    std::string reader;                       // the user whose rights were looked at; "": who runs this
    bool in_use = false;                      // some parameter asks for a table that proxyd itself serves
    std::vector<std::string> reading_tables;  // see TableCheck::reading_tables()
};

// With `connect` and as root, changes to the daemon's user for good before it asks the databases, for they
// shall see whom the daemon runs as. Throws std::runtime_error when there is nothing to check.
[[nodiscard]] CheckResult check(const ConfigLocation& place, const master::Environment& environment,
                                bool connect);

// One line per finding and a closing line. Returns the exit status: 1 with an error, else 0.
[[nodiscard]] int report(const CheckResult& result, bool connect, std::ostream& out);

// With the default in place of what is wrong; `findings`, if given, becomes all that is to say of them.
[[nodiscard]] Options options_in_force(const ConfigLocation& place, const master::Environment& environment,
                                       std::vector<Finding>* findings = nullptr);

// The options in force, as they would stand in a file, with the default in place of what is wrong; each
// mistake becomes a line of `mistakes`. Returns the exit status: 1 with a mistake, else 0.
[[nodiscard]] int print_options(const ConfigLocation& place, const master::Environment& environment,
                                std::ostream& out, std::ostream& mistakes);

}  // namespace proxyd::control
