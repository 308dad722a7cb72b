// The status of a running daemon, for `proxyctl status`.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "backends/event/clock.h"
#include "proxyd/config/site.h"
#include "proxyd/daemon/worker.h"

namespace proxyd {

// Facts about the process that are fixed from its start.
struct ProcessFacts {
    std::string mode;              // "master" or "listen"
    std::uint32_t generation = 0;  // of master's configuration; 0 without master
    std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
    TimePoint started_at = Clock::now();
};

// Puts the facts about this process into a report.
void add_process(nlohmann::json& report, const ProcessFacts& process);

// The reply to {"command": "status"} of one worker. "served" counts the requests that it has answered, "load"
// is its share of a processor lately. "serves_caller" tells whether the asking process also has a connection
// for lookups. From that it knows that this daemon answers at the service's socket.
[[nodiscard]] nlohmann::json status_report(const ProcessFacts& process, const Site& site, Worker& worker,
                                           double load, pid_t caller);

}  // namespace proxyd
