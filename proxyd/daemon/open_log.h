// The destination of the process's log: first from the environment, then from the configuration.
#pragma once

#include "proxyd/config/site.h"
#include "proxyd/logging/daemon_log.h"
#include "proxyd/master/arguments.h"
#include "proxyd/master/environment.h"

namespace proxyd {

// The process's log, from the first line to the last.
[[nodiscard]] logging::DaemonLog& daemon_log();

// Only master sets GENERATION.
[[nodiscard]] bool is_under_master();

// Opens the log for the first lines, as the environment says: services of master(8) write to syslog or
// postlogd, other processes to standard error.
void open_first_log(int argc, const char* const* argv);

// Opens the log as main.cf says, under master(8); other processes keep theirs. Applies proxyd.cf in both
// cases.
void open_final_log(const master::DaemonArguments& arguments, const master::Environment& environment,
                    const Site& site);

}  // namespace proxyd
