// The check of the daemon's options: those of proxyd.cf, and of -o in its entry of master.cf.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "proxyd/config/options.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/control/check/postfix_config.h"
#include "proxyd/control/postfix/config_location.h"
#include "proxyd/master/environment.h"

namespace proxyd::control {

struct OptionPlace {
    std::string file;
    int line = 0;

    bool operator==(const OptionPlace&) const = default;
};

struct CheckedOptions {
    Options options;                           // in force; a wrong option has its default
    std::optional<OptionPlace> relay_service;  // where it is set; no value: nowhere
};

// `postfix` is the one that the daemon belongs to, without services if there is none.
[[nodiscard]] CheckedOptions check_options(const ConfigLocation& place, const PostfixConfig& postfix,
                                           Findings& findings);

// The options in force. A wrong option has its default. `findings`, if given, receives the findings about
// them.
[[nodiscard]] Options options_in_force(const ConfigLocation& place, std::vector<Finding>* findings = nullptr);

// Prints the options in force, as written in a file. A wrong option has its default. Each mistake becomes a
// line of `mistakes`. Returns the exit status: 1 with a mistake, else 0.
[[nodiscard]] int print_options(const ConfigLocation& place, std::ostream& out, std::ostream& mistakes);

}  // namespace proxyd::control
