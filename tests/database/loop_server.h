// A server on the test's own loop: it says what the test tells it, when the test tells it. For moments that a
// real server cannot be made to choose.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/event/loop.h"

namespace proxyd {

class LoopServer {
  public:
    // What is said to a client that has said this; "": nothing.
    using Answer = std::function<std::string(const std::string& heard)>;

    // `greeting` is said to each client at once.
    LoopServer(Loop& loop, std::string greeting, Answer answer)
        : loop_(loop),
          greeting_(std::move(greeting)),
          answer_(std::move(answer)),
          listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener_, 64), 0);
        socklen_t size = sizeof address;
        (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port = std::to_string(ntohs(address.sin_port));
        accepting_ = loop_.watch(listener_, [this](Ready) { accept(); });
        accepting_->want(true, false);
    }
    ~LoopServer() {
        clients_.clear();
        accepting_.reset();
        (void)::close(listener_);
    }
    LoopServer(const LoopServer&) = delete;
    LoopServer& operator=(const LoopServer&) = delete;

    std::string port;

    [[nodiscard]] std::size_t clients() const { return clients_.size(); }
    // To the newest client; it is there when this returns.
    void say(const std::string& text) { say(*clients_.back(), text); }

    // Returns when the newest client's system has all that was said, whether the client has looked or not.
    void wait_for_arrival() const {
        int left = 1;
        while (::ioctl(clients_.back()->fd, SIOCOUTQ, &left) == 0 && left > 0) ::usleep(1000);
    }

    // Hears nothing of the newest client any more, and lets it know that nothing will be said.
    void fall_silent() {
        clients_.back()->watch.reset();
        (void)::shutdown(clients_.back()->fd, SHUT_WR);
    }
    // Ends the newest connection, so that the client's next write fails.
    void reset() {
        const linger none{1, 0};
        (void)::setsockopt(clients_.back()->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        clients_.pop_back();
    }

  private:
    struct Client {
        explicit Client(int descriptor) : fd(descriptor) {}
        ~Client() {
            watch.reset();
            (void)::close(fd);
        }
        Client(const Client&) = delete;
        Client& operator=(const Client&) = delete;

        int fd;
        std::unique_ptr<FdWatch> watch;
    };

    void accept() {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        clients_.push_back(std::make_unique<Client>(fd));
        auto& client = *clients_.back();
        client.watch = loop_.watch(fd, [this, &client](Ready) { hear(client); });
        client.watch->want(true, false);
        say(client, greeting_);
    }
    void hear(Client& client) {
        std::string text(65536, '\0');
        const auto count = ::recv(client.fd, text.data(), text.size(), 0);
        if (count <= 0) {
            client.watch->want(false, false);
            return;
        }
        text.resize(static_cast<std::size_t>(count));
        say(client, answer_(text));
    }
    static void say(const Client& client, const std::string& text) {
        if (text.empty()) return;
        EXPECT_EQ(::send(client.fd, text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }

    Loop& loop_;
    std::string greeting_;
    Answer answer_;
    int listener_;
    std::unique_ptr<FdWatch> accepting_;
    std::vector<std::unique_ptr<Client>> clients_;
};

// A descriptor that takes the number of one that was closed a moment ago, as a new client's would.
class TakenNumber {
  public:
    explicit TakenNumber(Loop& loop) : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        watch_ = loop.watch(fd_, [this](Ready) {
            std::uint64_t count = 0;
            (void)!::read(fd_, &count, sizeof count);
            ++fired_;
        });
        watch_->want(true, false);
    }
    ~TakenNumber() {
        watch_.reset();
        (void)::close(fd_);
    }
    TakenNumber(const TakenNumber&) = delete;
    TakenNumber& operator=(const TakenNumber&) = delete;

    [[nodiscard]] int number() const { return fd_; }
    [[nodiscard]] int fired() const { return fired_; }
    void wake() const {
        const std::uint64_t one = 1;
        EXPECT_EQ(::write(fd_, &one, sizeof one), static_cast<ssize_t>(sizeof one));
    }

  private:
    int fd_;
    int fired_ = 0;
    std::unique_ptr<FdWatch> watch_;
};

// The lowest number that is free: the next descriptor's.
inline int next_number() {
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    (void)::close(fd);
    return fd;  // cppcheck-suppress deallocret
}

}  // namespace proxyd
