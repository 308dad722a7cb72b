#include "proxyd/server/listen_sockets.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/report/log.h"

namespace proxyd::server {
namespace {

// A flood of connections must leave time for the connected clients.
constexpr int accepts_per_turn = 64;

constexpr std::chrono::milliseconds accept_pause{100};

// Time enough for a process that sleeps to wake up, and short for a client.
constexpr std::chrono::milliseconds yield_pause{1};

}  // namespace

ListenSockets::ListenSockets(Loop& loop, Events events)
    : loop_(loop), events_(std::move(events)), resume_timer_(loop.make_timer([this] {
          has_yielded_ = has_yielded_ && connection_waits();
          for (auto& socket : sockets_) socket.watch->want(true, false);
      })) {}

ListenSockets::~ListenSockets() {
    close();
}

void ListenSockets::add(int fd) {
    sockets_.push_back({fd, loop_.watch(fd, [this, fd](Ready) { accept_clients(fd); })});
    sockets_.back().watch->want(true, false);
}

void ListenSockets::stop() {
    resume_timer_->stop();
    for (auto& socket : sockets_) socket.watch.reset();
}

void ListenSockets::close() {
    stop();
    for (const auto& socket : sockets_) ::close(socket.fd);
    sockets_.clear();
}

bool ListenSockets::connection_waits() const {
    for (const auto& socket : sockets_) {
        pollfd waiting{socket.fd, POLLIN, 0};
        if (poll(&waiting, 1, 0) > 0) return true;
    }
    return false;
}

void ListenSockets::accept_clients(int fd) {
    for (int i = 0; i < accepts_per_turn; ++i) {
        if (!events_.has_room()) {
            pause(accept_pause);
            return;
        }
        // Once: a client that nobody else has accepted meanwhile must not wait any longer.
        if (!has_yielded_ && events_.yields && events_.yields()) {
            has_yielded_ = true;
            pause(yield_pause);
            return;
        }
        has_yielded_ = false;
        const int client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            events_.accepted(client);
            continue;
        }
        switch (errno) {
            case EAGAIN:        // another process was quicker, or there are no more
            case ECONNABORTED:  // the client has gone already
            case EINTR: return;
            default:
                log().warning("accept", fmt::format("cannot accept a connection: {} -- trying again in {} ms",
                                                    std::strerror(errno), accept_pause.count()));
                pause(accept_pause);
                return;
        }
    }
}

// A listen socket stays readable as long as a connection waits there. The pause keeps the loop from spinning.
void ListenSockets::pause(Duration length) {
    for (auto& socket : sockets_) socket.watch->want(false, false);
    resume_timer_->start(length);
}

}  // namespace proxyd::server
