// A connection of the relay, and the knowledge about the process behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/relay/connection.h"
#include "backends/relay/job.h"

namespace proxyd::relay {

struct Slot {
    enum class State {
        opening,  // no process has accepted it yet
        idle,     // no request is under way
        busy,     // `job` is under way
    };

    std::uint64_t id = 0;
    std::unique_ptr<Connection> connection;
    State state = State::opening;
    JobPtr job;
    TimePoint opened_at{};
    TimePoint since{};  // when it became busy, or idle
    bool has_replied = false;
    std::vector<std::uint64_t> suspects;  // older connections whose process may have accepted this one, too
};

using Slots = std::vector<std::unique_ptr<Slot>>;

}  // namespace proxyd::relay
