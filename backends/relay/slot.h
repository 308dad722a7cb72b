// A connection of the relay, and the knowledge about the process behind it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "backends/relay/connection.h"
#include "backends/relay/job.h"
#include "backends/relay/relay.h"

namespace proxyd::relay {

struct Relay::Slot {
    enum class State {
        opening,  // no process has accepted it yet
        idle,
        busy,  // `job` is under way
    };

    // Whether both connections may belong to the same process.
    [[nodiscard]] bool may_share_with(const Slot& other) const {
        return std::find(suspects.begin(), suspects.end(), other.id) != suspects.end() ||
               std::find(other.suspects.begin(), other.suspects.end(), id) != other.suspects.end();
    }
    void clear(std::uint64_t suspect) {
        suspects.erase(std::remove(suspects.begin(), suspects.end(), suspect), suspects.end());
    }

    std::uint64_t id = 0;
    std::unique_ptr<Connection> connection;
    State state = State::opening;
    JobPtr job;
    TimePoint opened_at{};
    TimePoint since{};  // when it became busy, or idle
    bool has_replied = false;
    std::vector<std::uint64_t> suspects;  // older connections whose process may have accepted this one, too
};

}  // namespace proxyd::relay
