// The descriptors a service inherits from master(8).
#pragma once

#include <vector>

namespace proxyd::master {

inline constexpr int flow_read_fd = 3;  // mail flow control: not for table lookups
inline constexpr int flow_write_fd = 4;
inline constexpr int status_fd =
    5;  // see status_channel.h; readable (end of file) when master ends or reloads
inline constexpr int first_listen_fd = 6;  // and more, as many as -s says

// Checks the status channel and the listen sockets, makes them close-on-exec, and closes the flow control
// pipe. Returns the listen sockets, non-blocking. Throws std::runtime_error that names the descriptor and its
// fault.
[[nodiscard]] std::vector<int> adopt_inherited(int socket_count);

// Throws std::system_error.
void set_close_on_exec(int fd);
void set_non_blocking(int fd);

}  // namespace proxyd::master
