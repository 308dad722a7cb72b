// Options of the daemon in places where they have no effect.
#pragma once

#include "backends/config/parameter_file.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd::control {

// Notes options in proxyd.cf that are for a daemon without Postfix.
void note_options_without_postfix(const config::ParameterFile& options_file, Findings& findings);

// Warns of options in main.cf. They belong in the file `options_path`.
void check_options_in_main_cf(const config::ParameterFile& file, const postfix::MainCf& main_cf,
                              const std::string& options_path, Findings& findings);

}  // namespace proxyd::control
