#include "proxyd/server/server.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "backends/report/log.h"
#include "proxyd/logging/plural.h"

namespace proxyd::server {
namespace {

constexpr std::chrono::seconds time_check_interval{1};

// This many requests of the greatest length always fit.
constexpr std::size_t most_long_requests = 4;

std::size_t memory_limit(const ServerSettings& settings) {
    return std::max(settings.most_memory, most_long_requests * settings.limits.message_bytes);
}

}  // namespace

Server::Server(Loop& loop, Service& service, ServerSettings settings)
    : loop_(loop),
      service_(service),
      settings_(settings),
      memory_(memory_limit(settings)),
      sockets_(loop, {[this] { return has_room_for_client(); },
                      [this] { return counts_ != nullptr && counts_->has_more_than_its_share(worker_); },
                      [this](int fd) { add_client(fd); }}),
      drain_(loop, {[this](Drain::Clients which) { return close_clients(which); },
                    [this](std::size_t left) { drain_finished(left); }}),
      time_timer_(loop.make_timer([this] { check_times(); })) {}

Server::~Server() {
    clients_.clear();
}

void Server::change(const ServerSettings& settings) {
    settings_ = settings;
    memory_.set_limit(memory_limit(settings));
}

void Server::add_client(int fd) {
    auto client = std::make_shared<Client>(*this, fd);
    clients_.emplace(fd, client);
    client->start();
    show_count();
}

void Server::share_clients(ClientCounts& counts, int worker) {
    counts_ = &counts;
    worker_ = worker;
    show_count();
}

void Server::show_count() {
    if (counts_ != nullptr) counts_->set(worker_, static_cast<std::uint32_t>(clients_.size()));
}

bool Server::has_room_for_client() const {
    if (clients_.size() < settings_.most_clients) return true;
    log().warning("clients", fmt::format("{} clients are connected, which leaves descriptors for databases "
                                         "and no more -- further ones wait",
                                         clients_.size()));
    return false;
}

void Server::client_closed(int fd) {
    const auto found = clients_.find(fd);
    if (found != clients_.end()) {
        memory_.forget(fd);
        // The client is the caller, so it is destroyed later.
        loop_.defer([client = std::move(found->second)] { client->free_buffers(); });
        clients_.erase(found);
        show_count();
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
    writing_.swap(writers_);
    for (const auto& client : writing_) client->write_now();
    writing_.clear();
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
    sockets_.stop();
    if (counts_ != nullptr) std::exchange(counts_, nullptr)->leave(worker_);
    drained_ = std::move(drained);
    drain_.start(limit);
}

// Closes the sockets, too: the loop has by now told the kernel to stop watching them.
std::size_t Server::close_clients(Drain::Clients which) {
    sockets_.close();
    const auto now = loop_.now();
    for (const auto& client : all_clients()) {
        if (which == Drain::Clients::all) {
            client->finish();
        } else {
            client->finish_if_quiet(now);
        }
    }
    return clients_.size();
}

void Server::drain_finished(std::size_t left) {
    if (left > 0) log().warning(plural(left, "client") + " got no reply in time -- closing");
    loop_.defer(std::exchange(drained_, nullptr));
}

std::vector<std::shared_ptr<Client>> Server::all_clients() const {
    std::vector<std::shared_ptr<Client>> clients;
    clients.reserve(clients_.size());
    for (const auto& [fd, client] : clients_) clients.push_back(client);
    return clients;
}

}  // namespace proxyd::server
