#include "backends/event/receive_buffer.h"

#include <netinet/in.h>
#include <sys/socket.h>

namespace proxyd {
namespace {

// The kernel doubles this value, and uses half of it for its own accounting.
constexpr int bytes = 131072;

}  // namespace

void bound_one_read(int fd) {
    int domain = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return;
    if (domain == AF_INET || domain == AF_INET6)
        (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

}  // namespace proxyd
