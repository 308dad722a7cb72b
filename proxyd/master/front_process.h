// The process that master(8) knows, in front of the one that serves.
//
// Master starts the next process of a service only when it sees the old one end (or be taken). At a reload
// the lookups under way are to be answered to their end, and new clients are not to wait for that; so what
// master sees is a small process that ends at once, while the serving one, its child, closes its listen
// socket and finishes its work.
#pragma once

#include <vector>

#include <sys/types.h>

namespace proxyd::master {

struct ServingProcess {
    pid_t front_pid = 0;  // what status records name
    int front_fd = -1;    // readable (end of file) when the front process has ended, for whatever reason
};

// Forks. Returns in the child; the parent stays inside, closes `listen_fds`, and ends with exit status 0 when
// `status_fd` becomes readable, with the child's status when that ends, and with a signal as ever. To be
// called before there are threads. Throws std::system_error.
[[nodiscard]] ServingProcess fork_serving_process(int status_fd, const std::vector<int>& listen_fds);

}  // namespace proxyd::master
