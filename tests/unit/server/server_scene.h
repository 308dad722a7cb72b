// A client of the server. The server relays its requests to a stock server that the test plays.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/table/table_set.h"
#include "proxyd/server/server.h"
#include "tests/unit/relay/fake_stock_server.h"
#include "tests/unit/relay/run_until.h"

namespace proxyd::server {

using namespace std::chrono_literals;
using protocol::Command;
using protocol::Reply;
using protocol::Status;

class ServerScene : public testing::Test {
  protected:
    ServerScene() {
        stock.start();
        connect();
    }
    ~ServerScene() override { close(client); }

    // Connects a new client, after the test has closed the old one.
    void connect() {
        int ends[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        client = ends[0];
        server.add_client(ends[1]);
    }

    static relay::RelaySettings relay_settings(const std::string& path) {
        relay::RelaySettings settings;
        settings.path = path;
        settings.greeting = protocol::Greeting::yes;
        return settings;
    }

    // The bytes of a request of this kind for the table.
    [[nodiscard]] std::string request_bytes(Command command) const {
        protocol::Request request;
        request.command = command;
        request.table = table;
        request.key = "key";
        request.value = "value";
        std::string bytes;
        protocol::append(bytes, request);
        return bytes;
    }

    void write_all(std::string_view bytes) const {
        ASSERT_EQ(write(client, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }

    // Sends a request; returns when the stock server has it.
    void send(Command command) {
        write_all(request_bytes(command));
        run_until([this] { return stock.has(table); });
    }

    // The bytes after the greeting, up to `length` bytes or the end of the connection.
    std::string told(std::size_t length) {
        std::string bytes;
        run_until([&] {
            char buffer[1000];
            const auto got = read(client, buffer, sizeof buffer);
            if (got > 0) bytes.append(buffer, static_cast<std::size_t>(got));
            return got == 0 || bytes.size() == protocol::greeting.size() + length;
        });
        return bytes.substr(protocol::greeting.size());
    }

    static std::string reply_bytes(Command command, const Reply& reply) {
        std::string bytes;
        protocol::append(bytes, command, protocol::Layout::flags, reply);
        return bytes;
    }

    // The bytes that the client gets if the stock server sends this reply.
    std::string told_of(Command command, const Reply& reply) {
        stock.answer(table, reply);
        return told(reply_bytes(command, reply).size());
    }

    void run_until(const std::function<bool()>& done) { proxyd::run_until(loop, done); }

    const std::string table = "hash:a";
    EventLoop loop;
    relay::FakeStockServer stock{loop};
    relay::Relay relay{loop, relay_settings(stock.path())};
    table::TableSet tables{loop, {}};
    Service service{
        tables, relay, postfix::ApprovedTables::from_names({table}), {postfix::Access::write, true, ""}};
    Server server{loop, service, {}};
    int client = -1;
};

}  // namespace proxyd::server
