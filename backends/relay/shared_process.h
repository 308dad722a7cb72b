// Which connections may have reached the same process of the stock server.
//
// A process can accept several connections, but serves one request at a time: a request on one connection may
// then wait for the request on another. Nothing says which process has accepted a connection. So a new
// connection suspects all older ones, except those whose process was certainly at work all the while. A reply
// refutes suspicions: a connection that is at work from before the request until the reply has another
// process.
#pragma once

#include <cstdint>

#include "backends/relay/slot.h"

namespace proxyd::relay {

// After this time a process has certainly begun to work on its request. So a request waits this long for a
// free connection before another one is opened.
inline constexpr std::chrono::milliseconds work_begins_within{10};

// Whether a process is certainly at work for this connection since `when`.
[[nodiscard]] bool is_busy_since(const Slot& slot, TimePoint when);

// Whether both connections may have reached the same process.
[[nodiscard]] bool may_share_process(const Slot& one, const Slot& other);

// Whether a request sent now on this idle connection may wait for the request of another connection.
[[nodiscard]] bool would_wait_behind_another(const Slot& slot, const Slots& all, TimePoint now);

// Whether the request of this busy connection may be waiting for an older one of another connection.
[[nodiscard]] bool waits_behind_another(const Slot& slot, const Slots& all, TimePoint now);

// Whether the processes of all connections are certainly at work: another process accepts the next one.
[[nodiscard]] bool all_processes_work(const Slots& all, TimePoint now);

// Whether the request of any busy connection may have to wait in a shared process.
[[nodiscard]] bool is_any_suspicious(const Slots& all);

// A process has accepted the connection.
void note_accepted(Slot& slot, const Slots& all);

// The process has replied on the connection, which is still busy.
void note_replied(Slot& slot, const Slots& all);

// The connection with this id is gone, and no longer among `all`.
void note_closed(std::uint64_t id, const Slots& all);

}  // namespace proxyd::relay
