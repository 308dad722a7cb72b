// A listening UNIX-domain socket in its own directory, for code under test that connects to a path.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace proxyd::fuzz {

// One end of a connection. The destructor closes it.
class Peer {
  public:
    explicit Peer(int fd = -1) : fd_(fd) {}
    ~Peer() { close(); }
    Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Peer& operator=(Peer&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    [[nodiscard]] int fd() const { return fd_; }
    // Sends without waiting. Bytes that the other side does not take are lost.
    void send(std::string_view bytes) const {
        if (fd_ >= 0) (void)!::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_;
};

class Directory {
  public:
    Directory() {
        if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make a directory");
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    [[nodiscard]] std::string file(std::string_view name) const { return path_ + '/' + std::string(name); }

  private:
    std::string path_ = "/tmp/proxyd-fuzz-XXXXXX";
};

inline sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

inline Peer connect_to(const std::string& path) {
    const auto address = address_of(path);
    Peer peer(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(peer.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("cannot connect");
    return peer;
}

class SocketInDirectory {
  public:
    SocketInDirectory() : listener_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const auto address = address_of(path());
        if (bind(listener_.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener_.fd(), 16) != 0) {
            throw std::runtime_error("cannot listen");
        }
    }

    [[nodiscard]] std::string path() const { return directory_.file("socket"); }
    [[nodiscard]] Peer accept() const { return Peer(::accept(listener_.fd(), nullptr, nullptr)); }

  private:
    Directory directory_;
    Peer listener_;
};

}  // namespace proxyd::fuzz
