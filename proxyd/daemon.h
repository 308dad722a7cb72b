// The daemon put together: configuration, log, tables, clients, and the life of the process.
#pragma once

#include "proxyd/master/options.h"

namespace proxyd {

[[nodiscard]] bool is_under_master();

// The log from the first line on, as the environment says: master's services write to syslog or postlogd,
// others to standard error.
void open_first_log(int argc, const char* const* argv);

// Runs until the process is to end and returns its exit status. Throws std::exception for what prevents the
// start; the log may be where to say so by then.
[[nodiscard]] int run_daemon(const master::DaemonArguments& arguments);

}  // namespace proxyd
