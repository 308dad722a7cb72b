// Counts what proxyd allocates while clients ask one table.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/relay/relay.h"
#include "proxyd/server/server.h"
#include "tests/database/table_scene.h"
#include "tests/harness/allocation_count.h"

namespace proxyd {

// Clients of a server in this process. They use no memory but their own members.
class AskingClients {
  public:
    AskingClients(EventLoop& loop, table::TableSet& tables, const std::string& table)
        : loop_(loop),
          relay_(loop, {}),
          service_(tables, relay_, postfix::ApprovedTables::from_names({table}),
                   {postfix::Access::read, true, ""}),
          server_(loop, service_, {}) {
        for (auto& client : clients_) {
            std::array<int, 2> ends{};
            EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
            client.fd = ends[0];
            server_.add_client(ends[1]);
            protocol::Request request;
            request.table = table;
            request.key = key;
            protocol::append(client.request, request);
            client.key_at = client.request.find(key);
            client.watch = loop.watch(client.fd, [this, &client](Ready) { answered(client); });
            client.watch->want(true, false);
        }
    }
    ~AskingClients() {
        for (auto& client : clients_) {
            client.watch.reset();
            close(client.fd);
        }
    }
    AskingClients(const AskingClients&) = delete;
    AskingClients& operator=(const AskingClients&) = delete;

    // Each of the clients asks another key as soon as it has its answer, for so many lookups together.
    // Returns the number of allocations of a lookup.
    double ask(int lookups) {
        left_ = lookups;
        waiting_ = 0;
        const int before = allocation_count();
        for (auto& client : clients_) ask(client);
        loop_.run();
        return double(allocation_count() - before) / lookups;
    }

    [[nodiscard]] int found() const { return found_; }

  private:
    // Keys of one length: user0000@example.com ...
    static constexpr std::string_view key = "user0000@example.com";

    struct Client {
        int fd = -1;
        std::string request;
        std::size_t key_at = 0;
        std::unique_ptr<FdWatch> watch;
    };

    void ask(Client& client) {
        if (left_ == 0) return;
        --left_;
        ++waiting_;
        number_ = (number_ + 1) % 10000;
        fmt::format_to(client.request.begin() + static_cast<std::ptrdiff_t>(client.key_at), "user{:04}",
                       number_);
        ASSERT_EQ(write(client.fd, client.request.data(), client.request.size()),
                  static_cast<ssize_t>(client.request.size()));
    }

    void answered(Client& client) {
        std::array<char, 1000> buffer{};
        const auto got = read(client.fd, buffer.data(), buffer.size());
        if (got <= 0) return;
        std::string_view reply(buffer.data(), static_cast<std::size_t>(got));
        if (reply.starts_with(protocol::greeting)) reply.remove_prefix(protocol::greeting.size());
        if (reply.empty()) return;
        if (reply.find("@dest.example") != std::string_view::npos) ++found_;
        ask(client);
        if (--waiting_ == 0) loop_.stop();
    }

    EventLoop& loop_;
    relay::Relay relay_;
    server::Service service_;
    server::Server server_;
    std::array<Client, 32> clients_;
    int left_ = 0;
    int waiting_ = 0;
    int found_ = 0;
    int number_ = 0;
};

// A lookup in its usual course needs no more of them. Libraries in C have their own.
inline constexpr double most_allocations = 5;

inline void expect_few_allocations(EventLoop& loop, table::TableSet& tables, const std::string& table) {
    AskingClients clients(loop, tables, table);
    (void)clients.ask(5000);  // connects, prepares, and makes room
    EXPECT_LE(clients.ask(20000), most_allocations);
    EXPECT_EQ(clients.found(), 25000);
}

}  // namespace proxyd
