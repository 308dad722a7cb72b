#include "proxyd/master/socket_activation.h"

#include <charconv>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proxyd/master/descriptors.h"

namespace proxyd::master {
namespace {

constexpr int first_fd = 3;
constexpr int most = 1000;

int number(const char* name, std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) {
        throw std::runtime_error(fmt::format("bad {} \"{}\" in the environment", name, text));
    }
    return value;
}

int socket_option(int fd, int option) {
    int value = 0;
    socklen_t size = sizeof(value);
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

std::vector<int> activated_sockets(const GetEnv& get, pid_t self) {
    const char* pid = get("LISTEN_PID");
    const char* count = get("LISTEN_FDS");
    if (pid == nullptr || count == nullptr || number("LISTEN_PID", pid) != self) {
        return {};
    }
    const int sockets = number("LISTEN_FDS", count);
    if (sockets > most) {
        throw std::runtime_error(
            fmt::format("bad LISTEN_FDS \"{}\" in the environment: more than {}", count, most));
    }
    std::vector<int> out;
    for (int fd = first_fd; fd < first_fd + sockets; ++fd) {
        if (socket_option(fd, SO_TYPE) != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1) {
            throw std::runtime_error(
                fmt::format("descriptor {} from LISTEN_FDS is not a listening stream socket", fd));
        }
        set_close_on_exec(fd);
        set_non_blocking(fd);
        out.push_back(fd);
    }
    return out;
}

std::string socket_path(int fd) {
    sockaddr_un address{};
    socklen_t size = sizeof(address);
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        address.sun_family != AF_UNIX) {
        return {};
    }
    address.sun_path[sizeof(address.sun_path) - 1] = '\0';
    return address.sun_path;
}

}  // namespace proxyd::master
