// Where the process's log goes: first as the environment says, then as the configuration says.
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

// The log from the first line on, as the environment says: master's services write to syslog or postlogd,
// others to standard error.
void open_first_log(int argc, const char* const* argv);

// As main.cf and proxyd.cf say, under master; others go on as before.
void open_final_log(const master::DaemonArguments& arguments, const master::Environment& environment,
                    const Site& site);

}  // namespace proxyd
