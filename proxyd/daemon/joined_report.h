// The reports of all workers as one. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "proxyd/daemon/status_report.h"

namespace proxyd {

// What one worker has answered to a request.
struct WorkerAnswer {
    pid_t process = 0;                    // 0: it is dead, and will be started again
    unsigned restarts = 0;                // how often the worker was started again
    std::optional<nlohmann::json> reply;  // none: it did not answer in time
};

// The reply to {"command": "status"}. Numbers are summed. A host has the worst health that a worker knows,
// with its problem. "workers" has an entry for each, in their order. A single worker's report is passed on
// as it is, but for that entry. `process` describes the front process.
[[nodiscard]] nlohmann::json joined_status(const ProcessFacts& process,
                                           const std::vector<WorkerAnswer>& answers);

// The reply to {"command": "flush"}: "flushed" is the sum, "unanswered" the number of workers that have not
// answered yet, if there are any. An error that all have in common is the error of the whole.
[[nodiscard]] nlohmann::json joined_flush(const std::vector<WorkerAnswer>& answers);

}  // namespace proxyd
