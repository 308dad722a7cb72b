#include "proxyd/master/status_channel.h"

#include <cerrno>
#include <chrono>
#include <cstring>

#include <sys/socket.h>

namespace proxyd::master {
StatusRecord status_record(pid_t pid, std::uint32_t generation, Availability availability) {
    const std::int32_t pid32 = pid;
    const auto state = static_cast<std::int32_t>(availability);
    StatusRecord record{};
    std::memcpy(record.data(), &pid32, sizeof(pid32));
    std::memcpy(record.data() + 4, &generation, sizeof(generation));
    std::memcpy(record.data() + 8, &state, sizeof(state));
    return record;
}

StatusOutcome StatusChannel::taken() {
    return send(Availability::taken);
}

StatusOutcome StatusChannel::available() {
    return send(Availability::available);
}

StatusOutcome StatusChannel::report_use() {
    if (use_reported()) return StatusOutcome::sent;
    if (!reported_) {
        const auto outcome = taken();
        if (outcome != StatusOutcome::sent) return outcome;
        reported_ = true;
    }
    const auto outcome = available();
    owes_available_ = outcome == StatusOutcome::not_now;
    return outcome;
}

StatusOutcome StatusChannel::send(Availability availability) {
    const auto record = status_record(pid_, generation_, availability);
    ssize_t written = 0;
    do {
        written = ::send(fd_, record.data(), record.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (written < 0 && errno == EINTR);
    if (written == static_cast<ssize_t>(record.size())) {
        return StatusOutcome::sent;
    }
    const bool full = written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS);
    return full ? StatusOutcome::not_now : StatusOutcome::master_gone;
}

}  // namespace proxyd::master
