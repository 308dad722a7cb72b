// Many clients that ask as Postfix daemons do: each waits for its answer before it asks again.
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
        keys;  // with the expected value; empty: any but an empty one
    std::size_t clients = 1;
    std::chrono::duration<double> warmup{0};   // before anything is counted
    std::chrono::duration<double> seconds{5};  // for how long to count
    std::uint64_t lookups = 0;                 // stop earlier, after so many counted lookups; 0: no limit
    std::uint64_t seed = 1;
    protocol::Layout layout = protocol::Layout::flags;
    bool greeting = true;
    bool smtputf8 = true;
    bool open_close = false;   // a connection for each lookup
    bool expect_miss = false;  // every key is one that the table does not have
    bool hold = false;         // one lookup for each client, which stays connected then
};

struct LoadReport {
    double seconds = 0;
    std::uint64_t ok = 0;
    std::uint64_t nokey = 0;
    std::uint64_t retry = 0;
    std::uint64_t other = 0;       // any other status
    std::uint64_t wrong = 0;       // answered, but not with what was expected (a retry is not counted here)
    std::uint64_t malformed = 0;   // not a reply at all
    std::uint64_t closed = 0;      // connections that ended while a client waited for an answer
    std::uint64_t reconnects = 0;  // connections made again after that
    std::uint64_t renewed =
        0;  // connections that the server had closed between two lookups: replaced at once
    std::uint64_t greeted = 0;                    // clients whose (first) connection was greeted
    std::chrono::duration<double> all_greeted{};  // until the last of them was; zero when some were not
    LatencyHistogram latencies;                   // from sending (with open_close: connecting) to the answer

    [[nodiscard]] std::uint64_t lookups() const { return ok + nokey + retry + other; }
};

// Runs the load to its end; calls back with the report while the clients are connected yet. Throws
// std::system_error when the machine refuses (epoll, file descriptors).
[[nodiscard]] LoadReport run_load(const LoadOptions& options,
                                  const std::function<void(const LoadReport&)>& before_closing);

}  // namespace proxyd::bench
