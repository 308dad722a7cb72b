#include "tests/bench/load.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <system_error>
#include <utility>

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/client_session.h"

namespace proxyd::bench {

namespace {

using namespace std::chrono_literals;
using protocol::Status;
using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;

// As Postfix clients wait before they connect again, and how soon to try when the listen queue is full (where
// a blocking connect would wait).
constexpr auto reconnect_delay = 1s;
constexpr auto queue_full_delay = 1ms;
constexpr protocol::Flags caller_flags =
    protocol::flag::lock | protocol::flag::fold_fix | protocol::flag::utf8_request;
constexpr std::size_t reply_bytes_limit = std::size_t{1} << 26;

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

std::string lowercase(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

enum class State {
    disconnected,  // waits for its time to connect
    greeting,      // connected, the server speaks first
    open,          // sent an open request
    lookup,        // sent a lookup
};

struct Client {
    Client(const LoadOptions& options) : flags{options.layout, caller_flags, options.smtputf8} {}

    protocol::TableFlags flags;
    State state = State::disconnected;
    int fd = -1;
    bool opened = false;       // the flags of the table are known
    bool wants_write = false;  // waits for room in the socket
    bool lost = false;         // the last connection ended in the middle of something
    std::string out;           // not yet sent
    std::string in;            // not yet understood
    const std::pair<std::string, std::string>* wanted = nullptr;  // key and value of this turn
    TimePoint started;                                            // this turn
};

class Load {
  public:
    explicit Load(const LoadOptions& options);
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    LoadReport run();

  private:
    void connect(Client& client);
    void connect_later(Client& client, SteadyClock::duration delay);
    void disconnect(Client& client);
    void lose(Client& client);
    void begin_turn(Client& client);
    void next_request(Client& client);
    // Whether the server closed the connection, or said something unasked, after the last answer.
    [[nodiscard]] bool is_stale(const Client& client);
    void send(Client& client);
    void receive(Client& client);
    // False when more bytes are needed, or the connection is gone.
    bool understand(Client& client);
    void count(const Client& client, const protocol::Reply& reply);
    void watch(Client& client, int operation, std::uint32_t events);
    void wait();

    const LoadOptions& options_;
    LoadReport report_;
    std::vector<std::unique_ptr<Client>> clients_;
    using Wakeup = std::pair<TimePoint, Client*>;
    std::priority_queue<Wakeup, std::vector<Wakeup>, std::greater<>> wakeups_;
    std::mt19937_64 random_;
    TimePoint now_;
    int epoll_;
    bool counting_ = false;
    bool done_ = false;
    std::array<char, 65536> buffer_{};
};

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

LoadReport Load::run() {
    now_ = SteadyClock::now();
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
    part(options_.warmup);
    report_ = {};
    counting_ = true;
    part(options_.seconds);
    return report_;
}

void Load::wait() {
    std::array<epoll_event, 256> events;
    int timeout = -1;
    if (!wakeups_.empty()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(wakeups_.top().first - now_);
        timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000));
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
            now_ = SteadyClock::now();  // each answer is timed on its own
            receive(client);
        }
    }
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
        connect_later(client, queue_full ? SteadyClock::duration{queue_full_delay} : reconnect_delay);
        return;
    }
    if (std::exchange(client.lost, false) && counting_) {
        ++report_.reconnects;
    }
    watch(client, EPOLL_CTL_ADD, EPOLLIN);
    if (options_.greeting) {
        client.state = State::greeting;
    } else {
        next_request(client);
    }
}

void Load::connect_later(Client& client, SteadyClock::duration delay) {
    wakeups_.emplace(now_ + delay, &client);
}

void Load::disconnect(Client& client) {
    if (client.fd >= 0) {
        ::close(client.fd);  // and with it goes its place in the epoll set
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
    disconnect(client);
    client.lost = true;
    connect_later(client, reconnect_delay);
}

void Load::begin_turn(Client& client) {
    client.wanted = &options_.keys[random_() % options_.keys.size()];
    client.started = SteadyClock::now();
}

void Load::next_request(Client& client) {
    if (client.opened) {
        const std::string& key = client.wanted->first;
        client.state = State::lookup;
        protocol::append(client.out, client.flags.client_folds()
                                         ? client.flags.lookup(options_.table, lowercase(key))
                                         : client.flags.lookup(options_.table, key));
    } else {
        client.state = State::open;
        protocol::append(client.out, client.flags.open(options_.table));
    }
    send(client);
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

bool Load::understand(Client& client) {
    if (client.state == State::greeting) {
        const auto greeting = protocol::decode_greeting(client.in);
        if (greeting == protocol::GreetingDecoded::incomplete) {
            return false;
        }
        if (greeting == protocol::GreetingDecoded::other) {
            ++report_.malformed;
            lose(client);
            return false;
        }
        client.in.erase(0, protocol::greeting.size());
        next_request(client);
        return true;
    }
    const bool open = client.state == State::open;
    const auto result =
        protocol::decode_reply(client.in, open ? protocol::Command::open : protocol::Command::lookup,
                               options_.layout, {reply_bytes_limit});
    if (result.outcome == protocol::ReplyDecoded::incomplete) {
        return false;
    }
    if (result.outcome == protocol::ReplyDecoded::malformed || result.consumed != client.in.size()) {
        ++report_.malformed;
        lose(client);
        return false;
    }
    if (open && result.reply.status != Status::ok) {
        if (counting_) {
            ++report_.wrong;
        }
        disconnect(client);
        connect_later(client, reconnect_delay);
        return false;
    }
    if (open) {
        client.flags.opened(result.reply.flags);
        client.opened = true;
    } else {
        client.flags.replied(result.reply.flags);
        count(client, result.reply);
    }
    client.in.clear();
    begin_turn(client);
    if (options_.open_close || is_stale(client)) {
        if (!options_.open_close && counting_) {
            ++report_.renewed;
        }
        disconnect(client);
        connect(client);
        return false;
    }
    next_request(client);
    return true;
}

void Load::count(const Client& client, const protocol::Reply& reply) {
    if (!counting_) {
        return;
    }
    report_.latencies.add(now_ - client.started);
    const std::string& expected = client.wanted->second;
    const bool right_value = expected.empty() ? !reply.value.empty() : reply.value == expected;
    bool wrong = options_.expect_miss;
    switch (reply.status) {
        case Status::ok:
            ++report_.ok;
            wrong = wrong || !right_value;
            break;
        case Status::nokey:
            ++report_.nokey;
            wrong = !wrong;
            break;
        case Status::retry:
            ++report_.retry;
            wrong = false;
            break;
        case Status::bad:
        case Status::deny:
        case Status::config:
            ++report_.other;
            wrong = true;
            break;
    }
    report_.wrong += wrong ? 1 : 0;
    done_ = options_.lookups != 0 && report_.lookups() >= options_.lookups;
}

void raise_file_limit(std::size_t wanted) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted + 16) {
        limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted + 16);
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

LoadReport run_load(const LoadOptions& options) {
    raise_file_limit(options.clients);
    return Load{options}.run();
}

}  // namespace proxyd::bench
