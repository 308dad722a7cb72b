// What a long-lived process with thousands of clients and passwords in its memory sets for itself at the
// start.
#pragma once

#include <cstdint>

namespace proxyd::master {

// A client that has gone must be an error of its connection, and a full log file an error of its write:
// ignores SIGPIPE and SIGXFSZ.
void ignore_signals();

// Raises the soft limit of open descriptors to the hard one. Returns the limit in force.
std::uint64_t raise_descriptor_limit();

// How many descriptors this process may have open.
[[nodiscard]] std::uint64_t descriptor_limit();

// No core dumps and no reading of this process's memory by others of its user: both would show database
// passwords. To be called after the privilege drop, which resets the second. False: refused by the system.
// Makes /proc/self belong to root, so /proc/self/fd and the like cannot be read afterwards by an unprivileged
// process.
[[nodiscard]] bool forbid_memory_dumps();

}  // namespace proxyd::master
