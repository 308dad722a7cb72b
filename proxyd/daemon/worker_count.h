// How many workers a daemon starts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxyd/config/options.h"
#include "proxyd/config/site.h"

namespace proxyd {

// A table that sets its own pool_size.
struct OwnPoolSize {
    std::string table;
    int pool_size = 0;
};

struct WorkerCount {
    int count = 1;
    std::string why_fewer;  // than the option says; "": not fewer
};

// Pure. `smallest` is the table with the smallest pool_size of its own, if any table has one; `processors`
// are those that this process may use.
[[nodiscard]] WorkerCount choose_worker_count(const Options& options, int processors,
                                              const std::optional<OwnPoolSize>& smallest);

// The tables that clients may ask, and the members of composite ones, that have a pool_size of their own: the
// one with the smallest. Reads their files in a child process, and gives that up after a moment: a file
// system may hang. What cannot be read counts for nothing. To be called before there are threads.
[[nodiscard]] std::optional<OwnPoolSize> smallest_own_pool_size(const Site& site);

// The number for this process. Logs why it is smaller than the option says.
[[nodiscard]] int worker_count(const Site& site);

}  // namespace proxyd
