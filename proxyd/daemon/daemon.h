// The daemon put together: configuration, log, tables, clients, and the life of the process.
#pragma once

#include "proxyd/master/arguments.h"

namespace proxyd {

// Runs until the process is to end and returns its exit status. Throws std::exception for what prevents the
// start; the log may be where to say so by then.
[[nodiscard]] int run_daemon(const master::DaemonArguments& arguments);

}  // namespace proxyd
