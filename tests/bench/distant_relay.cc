// distant_relay: makes a TCP server on this machine a distant one. It delays the bytes of both directions by
// the same time, and does not limit how many are under way.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <string>
#include <system_error>
#include <unordered_map>

#include <CLI/CLI.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using SteadyClock = std::chrono::steady_clock;

// Ids count up and are not reused. A connection has two ids; the odd one is the server's end.
using EndId = std::uint64_t;
constexpr EndId listener_id = 0;

constexpr EndId other(EndId id) {
    return id ^ 1;
}

struct End {
    int fd = -1;
    std::string out;  // bytes that are due but do not fit into the socket
    bool wants_write = false;
};

struct Message {
    SteadyClock::time_point due;
    EndId to;
    std::string text;
};

void check(bool well, const char* what) {
    if (!well) {
        throw std::system_error(errno, std::generic_category(), what);
    }
}

class Relay {
  public:
    // Ports are on the loopback address; `delay` is for one direction.
    Relay(std::uint16_t listen, std::uint16_t server, SteadyClock::duration delay);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;
    [[noreturn]] void run();

  private:
    void accept();
    void add(EndId id, int fd);
    // Closes the connection. Delayed bytes are lost.
    void close(EndId id);
    void hear(EndId id);
    void deliver();
    void say(EndId id, End& end);
    void watch(EndId id, int fd, int operation, std::uint32_t events) const;
    [[nodiscard]] timespec time_left() const;

    const std::uint16_t server_;
    const SteadyClock::duration delay_;
    const int listener_;
    const int epoll_;
    EndId next_id_ = 2;
    std::unordered_map<EndId, End> ends_;
    std::deque<Message> on_the_way_;  // in the order in which they are due
    std::array<char, 65536> buffer_{};
};

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

Relay::Relay(std::uint16_t listen, std::uint16_t server, SteadyClock::duration delay)
    : server_(server),
      delay_(delay),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    check(listener_ >= 0 && epoll_ >= 0, "socket");
    const int on = 1;
    const auto address = loopback(listen);
    check(::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0, "SO_REUSEADDR");
    check(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
    check(::listen(listener_, SOMAXCONN) == 0, "listen");
    watch(listener_id, listener_, EPOLL_CTL_ADD, EPOLLIN);
}

void Relay::run() {
    std::array<epoll_event, 256> events;
    for (;;) {
        const timespec left = time_left();
        const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                       on_the_way_.empty() ? nullptr : &left, nullptr);
        check(count >= 0 || errno == EINTR, "epoll_pwait2");
        for (int i = 0; i < count; ++i) {
            const auto& event = events[static_cast<std::size_t>(i)];
            const EndId id = event.data.u64;
            if (id == listener_id) {
                accept();
                continue;
            }
            if (const auto end = ends_.find(id); end != ends_.end() && (event.events & EPOLLOUT) != 0) {
                say(id, end->second);
            }
            if ((event.events & ~EPOLLOUT) != 0) {
                hear(id);
            }
        }
        deliver();
    }
}

timespec Relay::time_left() const {
    using namespace std::chrono;
    nanoseconds left{0};
    if (!on_the_way_.empty()) {
        left = std::max<nanoseconds>(left, on_the_way_.front().due - SteadyClock::now());
    }
    return {duration_cast<seconds>(left).count(), (left % seconds{1}).count()};
}

void Relay::accept() {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(server >= 0, "socket");
    const auto address = loopback(server_);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(server);
        ::close(client);
        return;
    }
    add(next_id_++, client);
    add(next_id_++, server);
}

void Relay::add(EndId id, int fd) {
    const int on = 1;
    check(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
    ends_[id].fd = fd;
    watch(id, fd, EPOLL_CTL_ADD, EPOLLIN);
}

void Relay::watch(EndId id, int fd, int operation, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    check(epoll_ctl(epoll_, operation, fd, &event) == 0, "epoll_ctl");
}

void Relay::close(EndId id) {
    for (const EndId each : {id, other(id)}) {
        ::close(ends_.at(each).fd);
        ends_.erase(each);
    }
}

void Relay::hear(EndId id) {
    const auto end = ends_.find(id);
    if (end == ends_.end()) {
        return;  // the other end has just closed both
    }
    const ssize_t got = ::recv(end->second.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got > 0) {
        on_the_way_.push_back({SteadyClock::now() + delay_, other(id),
                               std::string{buffer_.data(), static_cast<std::size_t>(got)}});
    } else if (got == 0 || errno != EAGAIN) {
        close(id);
    }
}

void Relay::deliver() {
    const auto now = SteadyClock::now();
    while (!on_the_way_.empty() && on_the_way_.front().due <= now) {
        const Message message = std::move(on_the_way_.front());
        on_the_way_.pop_front();
        if (const auto end = ends_.find(message.to); end != ends_.end()) {
            end->second.out += message.text;
            say(message.to, end->second);
        }
    }
}

void Relay::say(EndId id, End& end) {
    const ssize_t sent = ::send(end.fd, end.out.data(), end.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        close(id);
        return;
    }
    end.out.erase(0, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    if (end.wants_write != !end.out.empty()) {
        end.wants_write = !end.out.empty();
        watch(id, end.fd, EPOLL_CTL_MOD, end.wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    std::uint16_t listen = 0;
    std::uint16_t server = 0;
    double milliseconds = 1;
    CLI::App app{"Makes a TCP server on this machine a distant one."};
    app.add_option("--listen", listen, "Port of 127.0.0.1 that is the distant server")->required();
    app.add_option("--server", server, "Port of 127.0.0.1 where the server is")->required();
    app.add_option("--delay", milliseconds, "Of each direction, in milliseconds (1)")
        ->check(CLI::NonNegativeNumber);
    CLI11_PARSE(app, argc, argv);
    const std::chrono::duration<double, std::milli> delay{milliseconds};
    Relay{listen, server, std::chrono::duration_cast<SteadyClock::duration>(delay)}.run();
} catch (const std::exception& problem) {
    std::fprintf(stderr, "distant_relay: %s\n", problem.what());
    return 2;
}
