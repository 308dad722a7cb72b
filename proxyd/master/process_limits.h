// The limits and flags that a long-lived process with thousands of clients, and with passwords in its memory,
// sets at its start.
#pragma once

#include <cstdint>

namespace proxyd::master {

// Ignores SIGPIPE and SIGXFSZ: a lost client must be an error of its connection, and a full log file an error
// of its write.
void ignore_signals();

// Raises the soft limit of open descriptors to the hard one. Returns the limit in force.
std::uint64_t raise_descriptor_limit();

// How many descriptors this process may have open.
[[nodiscard]] std::uint64_t descriptor_limit();

// Forbids core dumps, and access to this process's memory by other processes of its user: both would show
// database passwords. Call after the privilege drop, which resets the second. False: refused by the system.
// /proc/self then belongs to root, so an unprivileged process cannot read /proc/self/fd and the like.
[[nodiscard]] bool forbid_memory_dumps();

}  // namespace proxyd::master
