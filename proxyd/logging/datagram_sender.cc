#include "proxyd/logging/datagram_sender.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace proxyd::logging {
namespace {

constexpr std::chrono::seconds reconnect_interval{1};

}  // namespace

DatagramSender::DatagramSender(std::string path, Now now) : path_(std::move(path)), now_(std::move(now)) {
    connect();
}

DatagramSender::~DatagramSender() {
    disconnect();
}

bool DatagramSender::send(std::string_view datagram) {
    if (fd_ < 0 && now_() - last_attempt_ >= reconnect_interval) {
        connect();
    }
    for (bool again = true; fd_ >= 0; again = false) {
        if (::send(fd_, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return true;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ENOMEM ||
            errno == EMSGSIZE) {
            return false;
        }
        disconnect();
        if (again && now_() - last_attempt_ >= reconnect_interval) {
            connect();
        }
    }
    return false;
}

void DatagramSender::entered_chroot(std::string_view root) {
    path_ = path_in_chroot(path_, root);
}

void DatagramSender::connect() {
    last_attempt_ = now_();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.empty() || path_.size() >= sizeof(address.sun_path)) {
        connect_error_ = ENAMETOOLONG;
        return;
    }
    path_.copy(address.sun_path, path_.size());
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        connect_error_ = errno;
        disconnect();
        return;
    }
    connect_error_ = 0;
}

void DatagramSender::disconnect() {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
}

std::string path_in_chroot(std::string_view path, std::string_view root) {
    while (root.ends_with('/')) {
        root.remove_suffix(1);
    }
    const bool below = path.starts_with(root) && path.substr(root.size()).starts_with('/');
    return std::string(below ? path.substr(root.size()) : path);
}

}  // namespace proxyd::logging
