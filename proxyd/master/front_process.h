// The front process: it starts, watches and replaces the serving process, and handles no lookup.
//
// Master(8) starts the next process of a service only when it sees the old one end (or be taken). At a
// reload, lookups under way must be answered, and new clients must not wait for that. So master knows only a
// small process that ends at once, while its child, the serving process, closes its listen socket and
// finishes its work.
#pragma once

#include <functional>
#include <vector>

#include <sys/types.h>

#include "backends/event/clock.h"
#include "proxyd/master/heartbeat.h"

namespace proxyd::master {

struct ServingProcess {
    pid_t front_pid = 0;    // the process named in status records
    int front_fd = -1;      // readable (end of file) when the front process has ended, for whatever reason
    bool replaces = false;  // it replaces one that stood still
};

struct FrontSettings {
    int status_fd = -1;             // of master; -1: on its own
    std::vector<int> listen_fds{};  // stay open, so that clients can wait while a process is replaced
    Duration standstill_limit{};    // zero: the serving process is not watched
    Duration stop_limit{};          // how long it may take to end after SIGTERM, when it is watched
    // Releases resources that only the process known to master may hold. Called in the child that goes on
    // watching after that process has ended.
    std::function<void()> leave_to_next{};
};

// Forks. Returns in each serving process; the parent stays inside. It
// - kills a serving process whose heartbeat stands still for the limit, and forks another one;
// - ends with the status of a serving process that ends by itself;
// - ends with exit status 0 when `status_fd` becomes readable; if there is a limit a child of it goes on
//   watching the serving process until that has ended;
// - passes on SIGTERM and, on its own, SIGINT and SIGHUP.
// `heartbeat` is needed where there is a limit. To be called before there are threads. Throws
// std::system_error.
[[nodiscard]] ServingProcess fork_serving_process(const FrontSettings& settings, Heartbeat* heartbeat);

}  // namespace proxyd::master
