#include "backends/relay/connection.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace proxyd::relay {

using protocol::GreetingDecoded;
using protocol::Layout;
using protocol::ReplyDecoded;

namespace {

// A server that greets does so as soon as a process has accepted the connection.
constexpr std::chrono::milliseconds greeting_probe{100};

// The stock server has no limit of its own for values.
constexpr protocol::Limits limits{std::size_t{64} << 20};

// One buffer serves all reads of a loop.
thread_local std::array<char, 65536> scratch;

}  // namespace

Connection::Connection(Loop& loop, Events events)
    : loop_(loop), events_(std::move(events)), decoder_(limits) {}

Connection::~Connection() {
    close();
}

void Connection::close() {
    watch_.reset();
    greeting_timer_.reset();
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

int Connection::connect(const std::string& path, Greeting greeting) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
    path.copy(address.sun_path, path.size());
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return errno;
    // A UNIX-domain socket connects at once or fails.
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        ::close(std::exchange(fd_, -1));
        return error;
    }
    watch_ = loop_.watch(fd_, [this](Ready what) { on_ready(what); });
    watch_->want(true, false);
    if (greeting != Greeting::yes) {
        greeting_timer_ = loop_.make_timer([this] { become_ready(); });
        greeting_timer_->start(greeting == Greeting::no ? Duration::zero() : greeting_probe);
    }
    return 0;
}

bool Connection::send(const protocol::Request& request) {
    std::string bytes;
    protocol::append(bytes, request);
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) return false;
    out_ = bytes.substr(static_cast<std::size_t>(sent));
    asked_ = true;
    command_ = request.command;
    layout_ = request.layout;
    watch_->want(true, !out_.empty());
    return true;
}

void Connection::on_ready(Ready what) {
    if (what.write) write_out();
    if (what.read && fd_ >= 0) read_in();
}

void Connection::write_out() {
    const auto sent = ::send(fd_, out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    // An error of the connection shows when reading.
    if (sent > 0) out_.erase(0, static_cast<std::size_t>(sent));
    watch_->want(true, !out_.empty() && (sent > 0 || errno == EAGAIN));
}

void Connection::read_in() {
    const auto got = recv(fd_, scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
        lose(std::strerror(errno));
        return;
    }
    if (got == 0) {
        lose(asked_ ? "the server closed the connection instead of replying" : "closed by the server");
        return;
    }
    in_.append(scratch.data(), static_cast<std::size_t>(got));
    if (!greeted_) {
        switch (protocol::decode_greeting(in_)) {
            case GreetingDecoded::incomplete: return;
            case GreetingDecoded::complete:
                in_.erase(0, protocol::greeting.size());
                greeted_ = true;
                if (!ready_) become_ready();
                break;
            case GreetingDecoded::other: break;
        }
    }
    if (fd_ >= 0 && !in_.empty()) decode();
}

void Connection::decode() {
    if (!asked_) {
        lose("the server sent what it was not asked for");
        return;
    }
    auto result = decoder_.decode(in_, command_, layout_);
    if (result.outcome == ReplyDecoded::malformed) {
        // A server of another generation reports the bad request in its own layout.
        const auto other = layout_ == Layout::flags ? Layout::instance_flags : Layout::flags;
        const auto complaint = protocol::decode_reply(in_, command_, other, limits);
        if (complaint.outcome != ReplyDecoded::reply || complaint.reply.status != protocol::Status::bad) {
            lose(result.problem);
            return;
        }
        result = complaint;
    }
    if (result.outcome == ReplyDecoded::incomplete) return;
    asked_ = false;
    events_.reply(result.reply);
    in_.clear();
}

void Connection::become_ready() {
    if (ready_ || fd_ < 0) return;
    ready_ = true;
    events_.ready();
}

void Connection::lose(const std::string& reason) {
    close();
    events_.lost(reason);
}

}  // namespace proxyd::relay
