// Listen sockets that a service manager has opened for this process (sd_listen_fds(3)).
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "proxyd/master/environment.h"

namespace proxyd::master {

// The descriptors that LISTEN_PID and LISTEN_FDS name for process `self`, close-on-exec and non-blocking;
// none when the variables are absent or meant for another process. Throws std::runtime_error when they are
// malformed, or when a descriptor is not a listening stream socket.
[[nodiscard]] std::vector<int> activated_sockets(const GetEnv& get, pid_t self);

// The path of a listening UNIX-domain socket; "" for any other socket.
[[nodiscard]] std::string socket_path(int fd);

}  // namespace proxyd::master
