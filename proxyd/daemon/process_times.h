// The times that the front process and the serving processes agree on, and what both say.
#pragma once

#include <algorithm>
#include <chrono>
#include <exception>

#include <fmt/format.h>

#include "backends/event/clock.h"
#include "backends/report/log.h"
#include "proxyd/config/options.h"

namespace proxyd {

// `postfix stop` kills the remaining processes after five seconds.
inline constexpr std::chrono::seconds stop_limit{3};

// A shorter limit would mistake a busy process for one that stands still.
inline constexpr std::chrono::milliseconds least_standstill{1000};

// Zero: there is no watchdog.
[[nodiscard]] inline Duration standstill_limit(const Options& options) {
    const auto limit = options.watchdog_timeout;
    return limit.count() == 0 ? Duration::zero() : std::max(limit, least_standstill);
}

inline void log_no_control(const std::exception& error) {
    log().error(fmt::format("{} -- there is no control socket, and proxyctl status and flush get no answer",
                            error.what()));
}

}  // namespace proxyd
