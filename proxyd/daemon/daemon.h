// The whole daemon: configuration, log, tables, clients, and the life of the process.
#pragma once

#include "proxyd/master/arguments.h"

namespace proxyd {

// Runs until the process is to end and returns its exit status. Throws std::exception when the daemon cannot
// start. The final log may be open by then, so the caller reports the error there.
[[nodiscard]] int run_daemon(const master::DaemonArguments& arguments);

}  // namespace proxyd
