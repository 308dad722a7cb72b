#include "proxyd/master/descriptors.h"

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace proxyd::master {
namespace {

[[noreturn]] void fail(int fd, const char* call) {
    throw std::system_error(errno, std::generic_category(), fmt::format("{} of descriptor {}", call, fd));
}

void require_socket(int fd, const char* what) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        throw std::runtime_error(fmt::format("descriptor {} ({}): {}; was this started by master(8)?", fd,
                                             what, std::generic_category().message(errno)));
    }
    if (!S_ISSOCK(status.st_mode)) {
        throw std::runtime_error(
            fmt::format("descriptor {} ({}) is not a socket; was this started by master(8)?", fd, what));
    }
}

}  // namespace

void set_close_on_exec(int fd) {
    const int old = ::fcntl(fd, F_GETFD);
    if (old < 0 || ::fcntl(fd, F_SETFD, old | FD_CLOEXEC) < 0) {
        fail(fd, "fcntl(F_SETFD)");
    }
}

void set_non_blocking(int fd) {
    const int old = ::fcntl(fd, F_GETFL);
    if (old < 0 || ::fcntl(fd, F_SETFL, old | O_NONBLOCK) < 0) {
        fail(fd, "fcntl(F_SETFL)");
    }
}

std::vector<int> adopt_inherited(int socket_count) {
    require_socket(status_fd, "status channel");
    set_close_on_exec(status_fd);
    std::vector<int> sockets;
    for (int fd = first_listen_fd; fd < first_listen_fd + socket_count; ++fd) {
        require_socket(fd, "listen socket");
        int listening = 0;
        socklen_t size = sizeof(listening);
        if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
            throw std::runtime_error(fmt::format("descriptor {} is a socket that does not listen", fd));
        }
        set_close_on_exec(fd);
        set_non_blocking(fd);
        sockets.push_back(fd);
    }
    for (const int fd : {flow_read_fd, flow_write_fd}) {
        // Without the pipe of master(8), a log socket may have this number instead.
        struct stat status {};
        if (::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode)) {
            ::close(fd);
        }
    }
    return sockets;
}

}  // namespace proxyd::master
