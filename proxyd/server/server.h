// The clients of the daemon.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

#include "backends/event/lifetime.h"
#include "backends/event/loop.h"
#include "protocol/request_decoder.h"
#include "proxyd/server/client.h"
#include "proxyd/server/client_counts.h"
#include "proxyd/server/client_memory.h"
#include "proxyd/server/drain.h"
#include "proxyd/server/listen_sockets.h"
#include "proxyd/server/service.h"

namespace proxyd::server {

struct ServerSettings {
    protocol::Greeting greeting = protocol::Greeting::yes;
    protocol::Limits limits;
    Duration request_timeout = std::chrono::seconds(10);
    std::size_t most_clients = 10000;  // others wait to be accepted
    // For the buffers of all clients together; more, if four requests of the greatest length need it.
    std::size_t most_memory = std::size_t{64} << 20;
};

class Server {
  public:
    // The loop and the service outlive the server.
    Server(Loop& loop, Service& service, ServerSettings settings);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Accepts clients from a listening, non-blocking descriptor, which the server takes over.
    void listen(int fd) { sockets_.add(fd); }

    // Several processes accept clients from these descriptors: tells the others how many this one, `worker`,
    // has, and lets them accept when it has clearly more. `counts` outlives the server.
    void share_clients(ClientCounts& counts, int worker);

    // Takes over a connected client.
    void add_client(int fd);

    // Stops accepting, answers requests under way and closes idle clients. Calls back when no client is left,
    // or when `limit` has passed.
    void drain(Duration limit, std::function<void()> drained);

    // Whether a connection waits to be accepted at this moment.
    [[nodiscard]] bool connection_waits() const { return sockets_.connection_waits(); }

    // Shortens a drain to `limit` from now, because all of Postfix or the machine may be stopping. A lookup
    // that fails gets no reply: its client is closed, and asks the next process.
    void hurry(Duration limit) { drain_.hurry(limit); }
    [[nodiscard]] bool hurries() const { return drain_.hurries(); }

    // Called at the end of each request, with its facts; they are readable only while the callback runs.
    void on_ended(std::function<void(const AnsweredRequest&)> callback) { ended_ = std::move(callback); }

    void change(const ServerSettings& settings);

    [[nodiscard]] std::size_t clients() const { return clients_.size(); }

    // How many requests have been answered.
    [[nodiscard]] std::uint64_t served() const { return served_count_; }

    // Whether the process has opened the connection of one of the clients.
    [[nodiscard]] bool serves(pid_t process) const;

    // For Client.
    [[nodiscard]] Loop& loop() { return loop_; }
    [[nodiscard]] Service& service() { return service_; }
    [[nodiscard]] const ServerSettings& settings() const { return settings_; }
    void request_ended(const AnsweredRequest& request) {
        ++served_count_;
        if (ended_) ended_(request);
    }
    void client_closed(int fd);
    [[nodiscard]] ClientMemory& memory() { return memory_; }
    // When all clients together hold too much, closes those that hold the most, perhaps the caller.
    void make_room();
    // Whether a long reply may be held until its client has read it. When there is no room, closes clients
    // that do not read theirs.
    [[nodiscard]] bool has_room_for_reply(std::size_t bytes);
    // Calls the client's write_now() at the end of this pass of the loop. Replies sent together wake the
    // clients together. Queries go out to the databases before them.
    void write_later(std::shared_ptr<Client> client);
    void watch_time();

  private:
    [[nodiscard]] bool has_room_for_client() const;
    void show_count();
    void check_times();
    [[nodiscard]] std::size_t close_clients(Drain::Clients which);
    void drain_finished(std::size_t left);
    void write_replies();
    [[nodiscard]] std::vector<std::shared_ptr<Client>> all_clients() const;

    Loop& loop_;
    Service& service_;
    ServerSettings settings_;
    ClientMemory memory_;
    ListenSockets sockets_;
    Drain drain_;
    std::unordered_map<int, std::shared_ptr<Client>> clients_;
    ClientCounts* counts_ = nullptr;  // null: nobody else accepts clients
    int worker_ = 0;
    std::vector<std::shared_ptr<Client>> writers_;  // with replies to be sent
    std::vector<std::shared_ptr<Client>> writing_;  // those whose turn it is; kept for its memory
    std::unique_ptr<Timer> time_timer_;
    std::function<void()> drained_;
    std::function<void(const AnsweredRequest&)> ended_;
    std::uint64_t served_count_ = 0;
    Lifetime lifetime_;  // for work deferred past the server's end
};

}  // namespace proxyd::server
