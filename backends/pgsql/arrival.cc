#include "backends/pgsql/arrival.h"

#include <algorithm>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace proxyd::pgsql {
namespace {

// libpq reads this much at once, if it has come: it ensures that much room in its buffer.
constexpr std::size_t least_read = 8192;

// The system also counts the overhead of TLS, which is no part of an answer.
constexpr std::size_t overhead_share = 64;

std::size_t bytes_waiting(int fd) {
    int count = 0;
    return ::ioctl(fd, FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

// Bytes received since the connection was made, read or not. No value: the system does not count.
std::optional<std::uint64_t> received_in_all(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    const bool counted = ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
                         size >= offsetof(tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received;
    return counted ? std::optional<std::uint64_t>(info.tcpi_bytes_received) : std::nullopt;
}

}  // namespace

// Data that comes between the two calls counts as read before the answer; after that it counts as waiting.
Arrival::Arrival(int fd) {
    const auto waiting = bytes_waiting(fd);
    begun_at_ = received_in_all(fd);
    if (begun_at_) *begun_at_ -= std::min<std::uint64_t>(*begun_at_, waiting);
}

void Arrival::before_read(int fd) {
    if (!begun_at_) waiting_ = bytes_waiting(fd);
}

void Arrival::after_read(int fd) {
    const auto in_all = begun_at_ ? received_in_all(fd) : std::nullopt;
    const auto waiting = bytes_waiting(fd);
    if (in_all) {
        const auto read = *in_all - std::min<std::uint64_t>(*in_all, *begun_at_ + waiting);
        bytes_ = std::max<std::size_t>(bytes_, read - read / overhead_share);
    } else {
        bytes_ += std::max(std::min(waiting_, least_read), waiting_ - std::min(waiting_, waiting));
    }
}

}  // namespace proxyd::pgsql
