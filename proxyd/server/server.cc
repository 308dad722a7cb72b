#include "proxyd/server/server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/report/log.h"
#include "proxyd/logging/plural.h"

namespace proxyd::server {
namespace {

// A flood of connections must leave time for the connected clients.
constexpr int accepts_per_turn = 64;

constexpr std::chrono::milliseconds accept_pause{100};
constexpr std::chrono::seconds time_check_interval{1};

// For the buffers of all clients together. This many requests of the greatest length always fit.
constexpr std::size_t most_memory = std::size_t{64} << 20;
constexpr std::size_t most_long_requests = 4;

std::size_t memory_limit(const ServerSettings& settings) {
    return std::max(most_memory, most_long_requests * settings.limits.message_bytes);
}

// While draining: how often to look for quiet clients, and how long before the end to stop waiting for quiet.
constexpr std::chrono::milliseconds drain_step{20};
constexpr std::chrono::seconds drain_end_game{2};

}  // namespace

Server::Server(Loop& loop, Service& service, ServerSettings settings)
    : loop_(loop),
      service_(service),
      settings_(settings),
      memory_(memory_limit(settings)),
      accept_timer_(loop.make_timer([this] {
          for (auto& listener : listeners_) listener.watch->want(true, false);
      })),
      time_timer_(loop.make_timer([this] { check_times(); })),
      drain_timer_(loop.make_timer([this] { drain_more(); })) {}

Server::~Server() {
    clients_.clear();
    close_listeners();
}

void Server::change(const ServerSettings& settings) {
    settings_ = settings;
    memory_.set_limit(memory_limit(settings));
}

void Server::listen(int fd) {
    listeners_.push_back({fd, loop_.watch(fd, [this, fd](Ready) { accept_clients(fd); })});
    listeners_.back().watch->want(true, false);
}

void Server::add_client(int fd) {
    auto client = std::make_shared<Client>(*this, fd);
    clients_.emplace(fd, client);
    client->start();
}

void Server::accept_clients(int fd) {
    for (int i = 0; i < accepts_per_turn; ++i) {
        if (clients_.size() >= settings_.most_clients) {
            log().warning("clients",
                          fmt::format("{} clients are connected, which leaves descriptors for databases "
                                      "and no more -- further ones wait",
                                      clients_.size()));
            pause_accepting();
            return;
        }
        const int client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            add_client(client);
            continue;
        }
        switch (errno) {
            case EAGAIN:        // another process was quicker, or there are no more
            case ECONNABORTED:  // the client has gone already
            case EINTR: return;
            default:
                log().warning("accept", fmt::format("cannot accept a connection: {} -- trying again in {} ms",
                                                    std::strerror(errno), accept_pause.count()));
                pause_accepting();
                return;
        }
    }
}

bool Server::connection_waits() const {
    for (const auto& listener : listeners_) {
        pollfd waiting{listener.fd, POLLIN, 0};
        if (poll(&waiting, 1, 0) > 0) return true;
    }
    return false;
}

// Without descriptors or memory the listen socket stays readable. The pause keeps the loop from spinning.
void Server::pause_accepting() {
    for (auto& listener : listeners_) listener.watch->want(false, false);
    accept_timer_->start(accept_pause);
}

void Server::client_closed(int fd) {
    const auto found = clients_.find(fd);
    if (found != clients_.end()) {
        memory_.forget(fd);
        // The client is the caller, so it is destroyed later.
        loop_.defer([client = std::move(found->second)] { client->free_buffers(); });
        clients_.erase(found);
    }
}

void Server::make_room() {
    if (!memory_.exceeded()) return;
    const auto held = memory_.held();
    const auto worst = memory_.worst(loop_.now());
    for (const int fd : worst) clients_.at(fd)->give_up();
    log().warning("client memory",
                  fmt::format("clients hold {} MB of unfinished requests and unread replies -- closing "
                              "the connections of {} of them",
                              held >> 20, worst.size()));
}

bool Server::has_room_for_reply(std::size_t bytes) {
    if (memory_.has_room_for_reply(bytes)) return true;
    const auto now = loop_.now();
    for (const auto& client : all_clients()) {
        if (!client->hoards_long_reply(now, settings_.request_timeout)) continue;
        log().warning("slow reader",
                      "a client does not read its long reply, and others wait for theirs -- "
                      "closing the connection");
        client->give_up();
        client->free_buffers();
    }
    if (memory_.has_room_for_reply(bytes)) return true;
    log().warning("long replies",
                  fmt::format("long replies that clients are still reading take {} MB -- further ones become "
                              "\"try again later\"",
                              memory_.long_replies() >> 20));
    return false;
}

bool Server::serves(pid_t process) const {
    for (const auto& [fd, client] : clients_) {
        ucred peer{};
        socklen_t size = sizeof peer;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == process) return true;
    }
    return false;
}

void Server::write_later(std::shared_ptr<Client> client) {
    if (writers_.empty()) {
        loop_.defer([this, alive = lifetime_.watch()] {
            if (alive) write_replies();
        });
    }
    writers_.push_back(std::move(client));
}

void Server::write_replies() {
    std::vector<std::shared_ptr<Client>> writers;
    writers.swap(writers_);
    for (const auto& client : writers) client->write_now();
    make_room();
}

void Server::watch_time() {
    if (!time_timer_->running()) time_timer_->start(time_check_interval);
}

void Server::check_times() {
    const auto now = loop_.now();
    bool more = false;
    for (const auto& client : all_clients()) more = client->check_time(now) || more;
    if (more) watch_time();
}

void Server::drain(Duration limit, std::function<void()> drained) {
    accept_timer_->stop();
    for (auto& listener : listeners_) listener.watch.reset();
    drained_ = std::move(drained);
    drain_ends_ = loop_.now() + limit;
    drain_timer_->start(Duration::zero());
}

void Server::close_listeners() {
    for (auto& listener : listeners_) {
        listener.watch.reset();
        ::close(listener.fd);
    }
    listeners_.clear();
}

void Server::hurry(Duration limit) {
    hurries_ = true;
    drain_ends_ = std::min(drain_ends_, loop_.now() + limit);
}

// Closes quiet clients. Near the end of the time it finishes the others, too.
void Server::drain_more() {
    if (!drained_) return;
    // The loop has by now told the kernel to stop watching the sockets. Closing alone would not do that:
    // other processes (master, the service manager) hold the same sockets open, and each connection that
    // waits there would keep us awake.
    close_listeners();
    const auto now = loop_.now();
    const bool last_chance = drain_ends_ - now <= drain_end_game;
    for (const auto& client : all_clients()) {
        if (last_chance) {
            client->finish();
        } else {
            client->finish_if_quiet(now);
        }
    }
    if (clients_.empty() || now >= drain_ends_) {
        if (!clients_.empty()) {
            log().warning(plural(clients_.size(), "client") + " got no reply in time -- closing");
        }
        loop_.defer(std::exchange(drained_, nullptr));
        return;
    }
    drain_timer_->start(drain_step);
}

std::vector<std::shared_ptr<Client>> Server::all_clients() const {
    std::vector<std::shared_ptr<Client>> clients;
    clients.reserve(clients_.size());
    for (const auto& [fd, client] : clients_) clients.push_back(client);
    return clients;
}

}  // namespace proxyd::server
