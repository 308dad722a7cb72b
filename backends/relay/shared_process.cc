#include "backends/relay/shared_process.h"

#include <algorithm>
#include <utility>

namespace proxyd::relay {
namespace {

bool suspects(const Slot& slot, std::uint64_t id) {
    return std::find(slot.suspects.begin(), slot.suspects.end(), id) != slot.suspects.end();
}

void clear(Slot& slot, std::uint64_t suspect) {
    std::erase(slot.suspects, suspect);
}

}  // namespace

bool is_busy_since(const Slot& slot, TimePoint when) {
    return slot.state == Slot::State::busy && slot.since <= when;
}

bool may_share_process(const Slot& one, const Slot& other) {
    return suspects(one, other.id) || suspects(other, one.id);
}

bool would_wait_behind_another(const Slot& slot, const Slots& all, TimePoint now) {
    return std::any_of(all.begin(), all.end(), [&](const auto& other) {
        return is_busy_since(*other, now - work_begins_within) && may_share_process(slot, *other);
    });
}

bool waits_behind_another(const Slot& slot, const Slots& all, TimePoint now) {
    if (!is_busy_since(slot, now - work_begins_within)) return false;
    return std::any_of(all.begin(), all.end(), [&](const auto& other) {
        const bool is_first = std::pair(other->since, other->id) < std::pair(slot.since, slot.id);
        return other->state == Slot::State::busy && is_first && may_share_process(slot, *other);
    });
}

bool all_processes_work(const Slots& all, TimePoint now) {
    return std::all_of(all.begin(), all.end(),
                       [&](const auto& slot) { return is_busy_since(*slot, now - work_begins_within); });
}

bool is_any_suspicious(const Slots& all) {
    return std::any_of(all.begin(), all.end(), [](const auto& slot) {
        return slot->state == Slot::State::busy && !slot->suspects.empty();
    });
}

void note_accepted(Slot& slot, const Slots& all) {
    for (const auto& other : all) {
        // A process that was at work all the time has accepted nothing.
        if (other->id != slot.id && !is_busy_since(*other, slot.opened_at - work_begins_within))
            slot.suspects.push_back(other->id);
    }
}

void note_replied(Slot& slot, const Slots& all) {
    for (const auto& other : all) {
        // Two connections that worked at the same time belong to two processes.
        if (!is_busy_since(*other, slot.since - work_begins_within)) continue;
        clear(slot, other->id);
        clear(*other, slot.id);
    }
}

void note_closed(std::uint64_t id, const Slots& all) {
    for (const auto& slot : all) clear(*slot, id);
}

}  // namespace proxyd::relay
