// Status records to master(8): whether this process is taken or available.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <sys/types.h>

namespace proxyd::master {

enum class Availability : std::int32_t { taken = 0, available = 1 };

// One record: process id, generation and availability, 32 bits each in native byte order.
using StatusRecord = std::array<std::byte, 12>;
[[nodiscard]] StatusRecord status_record(pid_t pid, std::uint32_t generation, Availability availability);

enum class StatusOutcome {
    sent,
    not_now,      // the channel is full; nothing was written
    master_gone,  // master has closed its end (reload, stop or crash): drain and exit
};

// Writes to a descriptor of the caller, which other processes may share. Leaves its blocking mode alone.
// Never waits.
class StatusChannel {
  public:
    StatusChannel(int fd, pid_t pid, std::uint32_t generation)
        : fd_(fd), pid_(pid), generation_(generation) {}

    [[nodiscard]] StatusOutcome taken();
    [[nodiscard]] StatusOutcome available();

    // Reports one use of this process, once in its life. Master throttles a service whose process dies before
    // its first use, and needs no further reports from a process that is never too busy for a client. Call
    // after a request has been served, while no connection waits to be accepted: between "taken" and
    // "available" master would start another process for it. The next call repeats an "available" that did
    // not fit.
    [[nodiscard]] StatusOutcome report_use();

    // Whether nothing is left to report.
    [[nodiscard]] bool use_reported() const { return reported_ && !owes_available_; }

  private:
    StatusOutcome send(Availability availability);

    int fd_;
    pid_t pid_;
    std::uint32_t generation_;
    bool reported_ = false;
    bool owes_available_ = false;
};

}  // namespace proxyd::master
