// Many clients that ask as Postfix daemons do: each waits for the reply before its next request.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/message.h"
#include "tests/bench/latency_histogram.h"

namespace proxyd::bench {

struct LoadOptions {
    std::string socket;
    std::string table;
    std::vector<std::pair<std::string, std::string>>
        keys;  // with the expected value; empty: any value but an empty one
    std::size_t clients = 1;
    std::chrono::duration<double> warmup{0};   // time before the count begins
    std::chrono::duration<double> seconds{5};  // length of the count
    std::uint64_t lookups = 0;                 // stop earlier, after so many counted lookups; 0: no limit
    std::uint64_t seed = 1;
    protocol::Layout layout = protocol::Layout::flags;
    bool greeting = true;
    bool smtputf8 = true;
    bool open_close = false;   // a new connection for each lookup
    bool expect_miss = false;  // the table has none of the keys
    bool hold = false;         // each client makes one lookup and stays connected
};

struct LoadReport {
    double seconds = 0;
    std::uint64_t ok = 0;
    std::uint64_t nokey = 0;
    std::uint64_t retry = 0;
    std::uint64_t other = 0;       // any other status
    std::uint64_t wrong = 0;       // replies that were not expected; RETRY does not count
    std::uint64_t malformed = 0;   // not a valid reply
    std::uint64_t closed = 0;      // connections that ended during a lookup
    std::uint64_t reconnects = 0;  // connections made again after that
    std::uint64_t renewed = 0;     // connections that the server closed between two lookups, replaced at once
    std::uint64_t greeted = 0;     // clients whose first connection was greeted
    std::chrono::duration<double> all_greeted{};  // time until all were greeted; zero if some were not
    LatencyHistogram latencies;                   // from sending (with open_close: connecting) to the reply

    [[nodiscard]] std::uint64_t lookups() const { return ok + nokey + retry + other; }
};

// Runs the load. Calls back with the report while the clients are still connected. Throws std::system_error
// if the system refuses an epoll set or a descriptor.
[[nodiscard]] LoadReport run_load(const LoadOptions& options,
                                  const std::function<void(const LoadReport&)>& before_closing);

}  // namespace proxyd::bench
