#include "proxyd/control/client/proxymap_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/client_session.h"

namespace proxyd::control {
namespace {

// Services since Postfix 3.6 greet first. A service that is silent for this time is older, or waits for the
// client, too. In the second case its greeting may still come before its reply.
constexpr std::chrono::milliseconds greeting_wait{300};

// Daemons answer within seconds. After this time the user gets a notice.
constexpr std::chrono::seconds patience{12};

// When the listen queue is full, connect() waits for a place. Signals do not wake it, so it waits in short
// steps.
constexpr std::chrono::seconds place_wait{1};
constexpr std::chrono::milliseconds deaf_for{100};

// The same values as in Postfix's clients, for a service that hangs up.
constexpr int tries = 3;
constexpr std::chrono::seconds reconnect_interval{1};

// The time limit of connect() and send(); 0: none.
void set_send_limit(int fd, std::chrono::microseconds limit) {
    const timeval time{0, limit.count()};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

}  // namespace

ProxymapConnection::ProxymapConnection(std::string path, const std::string& socket_hint,
                                       std::function<void(const std::string&)> notice)
    : path_(std::move(path)),
      socket_hint_(socket_hint.empty() ? "" : ". " + socket_hint),
      notice_(std::move(notice)) {}

ProxymapConnection::~ProxymapConnection() {
    disconnect();
}

void ProxymapConnection::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path)
        throw QueryError(fmt::format("{}: the path is too long", path_));
    std::memcpy(address.sun_path, path_.c_str(), path_.size());
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) throw QueryError(fmt::format("cannot make a socket: {}", std::strerror(errno)));
    if (const int error = connect_to(address); error != 0) {
        disconnect();
        switch (error) {
            case EACCES:
            case EPERM: throw QueryDenied(fmt::format("{}: permission denied: run this as root", path_));
            case ENOENT: throw QueryError(fmt::format("{}: there is no such socket{}", path_, socket_hint_));
            case ECONNREFUSED:
                throw QueryError(
                    fmt::format("{}: the daemon that made this socket has gone{}", path_, socket_hint_));
            case EAGAIN:
                throw QueryError(
                    fmt::format("{}: the daemon accepts no connections, and no more can wait", path_));
            case EINTR: throw QueryError("interrupted");
            default: throw QueryError(fmt::format("{}: {}", path_, std::strerror(error)));
        }
    }
}

// Returns 0 or an error number; EINTR: stopped. Waits until give_up_at(), or for place_wait.
int ProxymapConnection::connect_to(const sockaddr_un& address) const {
    const auto end = end_.value_or(std::chrono::steady_clock::now() + place_wait);
    set_send_limit(fd_, deaf_for);
    while (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        if (error != EAGAIN && error != EINTR) return error;
        if (stopped()) return EINTR;
        if (std::chrono::steady_clock::now() >= end) return EAGAIN;
    }
    set_send_limit(fd_, {});
    return 0;
}

bool ProxymapConnection::stopped() const {
    pollfd stop{stop_fd_, POLLIN, 0};
    return poll(&stop, 1, 0) > 0;
}

// Waits forever without `wait`.
bool ProxymapConnection::readable(std::optional<std::chrono::milliseconds> wait) const {
    std::array<pollfd, 2> entries{{{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
    while (poll(entries.data(), entries.size(), wait ? static_cast<int>(wait->count()) : -1) < 0 &&
           errno == EINTR) {
    }
    if (entries[1].revents != 0) throw QueryError("interrupted");
    return entries[0].revents != 0;
}

void ProxymapConnection::open() {
    if (fd_ < 0) connect();
}

bool ProxymapConnection::wait_for_greeting(std::chrono::milliseconds wait) {
    if (greeted_ || fd_ < 0 || !readable(wait)) return greeted_;
    if (receive()) {
        take_greeting();
    } else {
        disconnect();
    }
    return greeted_;
}

void ProxymapConnection::disconnect() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
    in_.clear();
    greeted_ = false;
}

void ProxymapConnection::take_greeting() {
    if (greeted_ || protocol::decode_greeting(in_) != protocol::GreetingDecoded::complete) return;
    in_.erase(0, protocol::greeting.size());
    greeted_ = true;
}

bool ProxymapConnection::send_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

// False: the other side has closed.
bool ProxymapConnection::receive() {
    std::array<char, 8192> buffer;
    ssize_t got = 0;
    do {
        got = recv(fd_, buffer.data(), buffer.size(), 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) return false;
    in_.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
}

// Returns when there is something to read. Gives the notice when that takes long; throws QueryError at the
// end of the time.
void ProxymapConnection::wait_for_reply() {
    if (notice_ && !readable(patience)) {
        std::exchange(notice_, nullptr)("still waiting for the daemon; its log says why it is slow");
    }
    using std::chrono::milliseconds;
    std::optional<milliseconds> left;
    if (end_) {
        const auto until_end = std::chrono::ceil<milliseconds>(*end_ - std::chrono::steady_clock::now());
        left = std::max(until_end, milliseconds(0));
    }
    if (!readable(left)) throw QueryError(fmt::format("{}: {}", path_, reason_));
}

void ProxymapConnection::give_up_after(std::chrono::milliseconds limit, std::string reason) {
    limit_ = limit;
    reason_ = std::move(reason);
}

Answer ProxymapConnection::ask(const protocol::Request& request) {
    std::string bytes;
    protocol::append(bytes, request);
    if (limit_) end_ = std::chrono::steady_clock::now() + *limit_;
    for (int attempt = 1; attempt <= tries; ++attempt) {
        if (attempt > 1) std::this_thread::sleep_for(reconnect_interval);
        if (fd_ < 0) {
            connect();
            (void)wait_for_greeting(greeting_wait);
        }
        bool alive = send_all(bytes);
        while (alive) {
            take_greeting();
            if (greeted_ || protocol::decode_greeting(in_) != protocol::GreetingDecoded::incomplete ||
                in_.empty()) {
                const auto result = protocol::decode_reply(in_, request.command, request.layout);
                if (result.outcome == protocol::ReplyDecoded::reply) {
                    Answer answer{result.reply.status, result.reply.flags, std::string(result.reply.value)};
                    in_.erase(0, result.consumed);
                    return answer;
                }
                if (result.outcome == protocol::ReplyDecoded::malformed) {
                    throw QueryError(
                        fmt::format("{}: this is no proxymap service: {}", path_, result.problem));
                }
            }
            wait_for_reply();
            alive = receive();
        }
        disconnect();
    }
    throw QueryError(
        fmt::format("{}: the daemon closes the connection instead of answering; see its log", path_));
}

}  // namespace proxyd::control
