// Stands between proxyd and a MySQL or MariaDB server and takes no query before the last one has been
// answered: what comes earlier is thrown away, as some old poolers do.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace proxyd {

class OneAtATimeProxy {
  public:
    explicit OneAtATimeProxy(std::uint16_t server_port) : server_port_(server_port) {
        auto address = loopback(0);
        (void)::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
        (void)::listen(listener_, 64);
        socklen_t size = sizeof address;
        (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = std::to_string(ntohs(address.sin_port));
        accepting_ = std::thread([this] { accept(); });
    }
    ~OneAtATimeProxy() {
        (void)::shutdown(listener_, SHUT_RDWR);
        accepting_.join();
        for (const int fd : sockets_) (void)::shutdown(fd, SHUT_RDWR);
        for (auto& thread : serving_) thread.join();
        for (const int fd : sockets_) (void)::close(fd);
        (void)::close(listener_);
    }
    OneAtATimeProxy(const OneAtATimeProxy&) = delete;
    OneAtATimeProxy& operator=(const OneAtATimeProxy&) = delete;

    [[nodiscard]] const std::string& port() const { return port_; }
    // Packets.
    [[nodiscard]] std::size_t thrown_away() const { return thrown_away_; }

  private:
    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        return address;
    }
    // Reads one packet; empty: the connection is over.
    static std::string packet(int fd) {
        std::string text(4, '\0');
        if (::recv(fd, text.data(), 4, MSG_WAITALL) != 4) return {};
        const auto byte = [&text](std::size_t i) {
            return static_cast<std::size_t>(static_cast<unsigned char>(text[i]));
        };
        const auto length = byte(0) + (byte(1) << 8) + (byte(2) << 16);
        text.resize(4 + length);
        if (length > 0 && ::recv(fd, text.data() + 4, length, MSG_WAITALL) != static_cast<ssize_t>(length))
            return {};
        return text;
    }
    static bool quiet(int fd, int milliseconds) {
        pollfd watched{fd, POLLIN, 0};
        return ::poll(&watched, 1, milliseconds) == 0;
    }
    static bool pass(int to, const std::string& text) {
        return ::send(to, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
    }

    void accept() {
        for (;;) {
            const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (client < 0) return;
            const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            sockets_.insert(sockets_.end(), {client, server});
            serving_.emplace_back([this, client, server] { serve(client, server); });
        }
    }

    void serve(int client, int server) {
        const auto address = loopback(server_port_);
        bool going = ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     pass(client, packet(server));
        while (going) {
            const auto said = packet(client);
            going = !said.empty() && pass(server, said);
            // What follows at once has been sent ahead.
            while (going && !quiet(client, 5)) {
                going = !packet(client).empty();
                if (going) ++thrown_away_;
            }
            // An answer is over when nothing more comes.
            bool answered = false;
            while (going && (!answered || !quiet(server, 5))) {
                const auto answer = packet(server);
                going = !answer.empty() && pass(client, answer);
                answered = true;
            }
        }
        (void)::shutdown(server, SHUT_RDWR);
        (void)::shutdown(client, SHUT_RDWR);
    }

    std::uint16_t server_port_;
    int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::string port_;
    std::atomic<std::size_t> thrown_away_{0};
    std::thread accepting_;
    std::vector<std::thread> serving_;
    std::vector<int> sockets_;  // closed at the end: threads may still use them before
};

}  // namespace proxyd
