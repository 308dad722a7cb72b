#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/load_run.h"

namespace proxyd::bench {

namespace {

// The delay before the next attempt when the listen queue is full. A blocking connect() would wait there.
constexpr int queue_full_delay_ms = 1;

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Load::Load(const LoadOptions& options)
    : options_(options), random_(options.seed), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) {
        throw_errno("epoll_create1");
    }
    for (std::size_t i = 0; i < options.clients; ++i) {
        clients_.push_back(std::make_unique<Client>(options));
    }
}

Load::~Load() {
    for (auto& client : clients_) {
        disconnect(*client);
    }
    ::close(epoll_);
}

LoadReport Load::run(const std::function<void(const LoadReport&)>& before_closing) {
    started_ = now_ = SteadyClock::now();
    for (auto& client : clients_) {
        begin_turn(*client);
        connect(*client);
    }
    const auto part = [&](std::chrono::duration<double> length) {
        const TimePoint start = now_;
        const TimePoint end = start + std::chrono::duration_cast<SteadyClock::duration>(length);
        wakeups_.emplace(end, nullptr);
        while (now_ < end && !done_) {
            wait();
        }
        report_.seconds = std::chrono::duration<double>(now_ - start).count();
    };
    if (options_.warmup.count() > 0) {
        part(options_.warmup);
        report_ = {};
    }
    counting_ = true;
    part(options_.seconds);
    before_closing(report_);
    return report_;
}

void Load::wait() {
    std::array<epoll_event, 256> events;
    int timeout = -1;
    if (!wakeups_.empty()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(wakeups_.top().first - now_);
        timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000));
    }
    if (!waiting_.empty()) {
        timeout = timeout < 0 ? queue_full_delay_ms : std::min(timeout, queue_full_delay_ms);
    }
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout);
    if (count < 0 && errno != EINTR) {
        throw_errno("epoll_wait");
    }
    now_ = SteadyClock::now();
    while (!wakeups_.empty() && wakeups_.top().first <= now_) {
        Client* client = wakeups_.top().second;
        wakeups_.pop();
        if (client) {
            connect(*client);
        }
    }
    for (int i = 0; i < count && !done_; ++i) {
        Client& client = *static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr);
        if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) {
            send(client);
        }
        if (client.fd >= 0 && (events[static_cast<std::size_t>(i)].events & ~EPOLLOUT) != 0) {
            now_ = SteadyClock::now();  // each answer has its own time
            receive(client);
        }
    }
    connect_waiting();
}

void Load::watch(Client& client, int operation, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &client;
    if (epoll_ctl(epoll_, operation, client.fd, &event) < 0) {
        throw_errno("epoll_ctl");
    }
}

void Load::connect(Client& client) {
    // Clients connect in the order of their attempts, as the kernel serves processes that block in connect().
    if (!waiting_.empty() || !try_to_connect(client)) {
        waiting_.push_back(&client);
    }
}

void Load::connect_waiting() {
    while (!waiting_.empty() && try_to_connect(*waiting_.front())) {
        waiting_.pop_front();
    }
}

bool Load::try_to_connect(Client& client) {
    client.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client.fd < 0) {
        throw_errno("socket");
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    options_.socket.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(client.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        const bool queue_full = errno == EAGAIN;
        ::close(client.fd);
        client.fd = -1;
        if (!queue_full) {
            connect_later(client, reconnect_delay);
        }
        return !queue_full;
    }
    if (std::exchange(client.lost, false) && counting_) {
        ++report_.reconnects;
    }
    watch(client, EPOLL_CTL_ADD, EPOLLIN);
    if (options_.greeting) {
        client.state = State::greeting;
    } else {
        count_greeted(client);
        next_request(client);
    }
    return true;
}

void Load::connect_later(Client& client, SteadyClock::duration delay) {
    wakeups_.emplace(now_ + delay, &client);
}

void Load::disconnect(Client& client) {
    if (client.fd >= 0) {
        ::close(client.fd);  // this also removes it from the epoll set
    }
    client.fd = -1;
    client.state = State::disconnected;
    client.wants_write = false;
    client.in.clear();
    client.out.clear();
}

void Load::lose(Client& client) {
    if (counting_) {
        ++report_.closed;
    }
    const bool held = client.state == State::held;
    disconnect(client);
    if (held) {
        return;
    }
    client.lost = true;
    connect_later(client, reconnect_delay);
}

bool Load::is_stale(const Client& client) {
    char byte = 0;
    return ::recv(client.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

void Load::send(Client& client) {
    while (!client.out.empty()) {
        const ssize_t sent = ::send(client.fd, client.out.data(), client.out.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) {
                break;
            }
            lose(client);
            return;
        }
        client.out.erase(0, static_cast<std::size_t>(sent));
    }
    if (client.wants_write != !client.out.empty()) {
        client.wants_write = !client.out.empty();
        watch(client, EPOLL_CTL_MOD, client.wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

void Load::receive(Client& client) {
    const ssize_t got = ::recv(client.fd, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        lose(client);
        return;
    }
    client.in.append(buffer_.data(), static_cast<std::size_t>(got));
    while (client.fd >= 0 && !client.in.empty() && !done_ && understand(client)) {
    }
}

namespace {

void raise_file_limit(std::size_t wanted) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted + 16) {
        limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted + 16);
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

LoadReport run_load(const LoadOptions& options,
                    const std::function<void(const LoadReport&)>& before_closing) {
    raise_file_limit(options.clients);
    return Load{options}.run(before_closing);
}

}  // namespace proxyd::bench
