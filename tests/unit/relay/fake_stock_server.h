// The stock server as the relay sees it: a UNIX-domain socket in the test's loop. The test decides when to
// greet a connection, and how to answer a request.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/event/event_loop.h"
#include "protocol/request_decoder.h"

namespace proxyd::relay {

class FakeStockServer {
  public:
    // A request without a reply yet. Its views point into `bytes`.
    struct Asked {
        int connection = 0;  // the first one is 0
        protocol::Request request;
        std::shared_ptr<std::string> bytes;
    };

    explicit FakeStockServer(EventLoop& loop) : loop_(loop) {
        std::string pattern = "/tmp/proxyd-relay-XXXXXX";
        directory_ = mkdtemp(pattern.data());
    }
    ~FakeStockServer() {
        stop();
        std::filesystem::remove_all(directory_);
    }
    FakeStockServer(const FakeStockServer&) = delete;
    FakeStockServer& operator=(const FakeStockServer&) = delete;

    [[nodiscard]] std::string path() const { return directory_ + "/socket"; }

    void start() {
        listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path().copy(address.sun_path, sizeof address.sun_path - 1);
        if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener_, 64) != 0) {
            throw std::runtime_error("cannot listen");
        }
        watch_ = loop_.watch(listener_, [this](Ready) { accept_one(); });
        watch_->want(true, false);
    }

    void stop() {
        watch_.reset();
        if (listener_ >= 0) close(std::exchange(listener_, -1));
        unlink(path().c_str());
        for (std::size_t i = 0; i < connections_.size(); ++i) drop(static_cast<int>(i));
        asked.clear();
    }

    bool greets = true;                                 // as Postfix 3.6 and later do
    bool accepts = true;                                // whether a new connection is greeted at once
    protocol::Layout layout = protocol::Layout::flags;  // requests in another layout are bad
    std::vector<Asked> asked;                           // in order of arrival, until answered

    [[nodiscard]] std::size_t connections() const { return connections_.size(); }
    [[nodiscard]] bool is_open(int connection) const { return at(connection).fd >= 0; }

    void greet(int connection) const { write_to(connection, protocol::greeting); }

    // Answers the oldest request of this table.
    void answer(std::string_view table, const protocol::Reply& reply) {
        const auto found = find(table);
        if (found == asked.end()) throw std::runtime_error("nobody has asked");
        std::string bytes;
        protocol::append(bytes, found->request.command, layout, reply);
        write_to(found->connection, bytes);
        asked.erase(found);
    }
    [[nodiscard]] bool has(std::string_view table) { return find(table) != asked.end(); }
    [[nodiscard]] const Asked& request(std::string_view table) {
        if (!has(table)) throw std::runtime_error("nobody has asked");
        return *find(table);
    }

    // Closes a connection, and forgets its requests.
    void drop(int connection) {
        auto& dropped = at(connection);
        dropped.watch.reset();
        if (dropped.fd >= 0) close(std::exchange(dropped.fd, -1));
        std::erase_if(asked, [=](const Asked& one) { return one.connection == connection; });
    }

  private:
    struct Connection {
        int fd;
        std::unique_ptr<FdWatch> watch;
        std::string in;
    };

    [[nodiscard]] Connection& at(int connection) const {
        return *connections_.at(static_cast<std::size_t>(connection));
    }
    std::vector<Asked>::iterator find(std::string_view table) {
        return std::find_if(asked.begin(), asked.end(),
                            [=](const Asked& one) { return one.request.table == table; });
    }

    void accept_one() {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        const int number = static_cast<int>(connections_.size());
        connections_.push_back(std::make_unique<Connection>(Connection{fd, nullptr, ""}));
        at(number).watch = loop_.watch(fd, [this, number](Ready) { receive(number); });
        at(number).watch->want(true, false);
        if (greets && accepts) greet(number);
    }

    void write_to(int connection, std::string_view bytes) const {
        if (write(at(connection).fd, bytes.data(), bytes.size()) < 0)
            throw std::runtime_error("cannot reply");
    }

    void receive(int number) {
        auto& connection = at(number);
        char buffer[4096];
        const auto got = read(connection.fd, buffer, sizeof buffer);
        if (got <= 0) {
            drop(number);
            return;
        }
        connection.in.append(buffer, static_cast<std::size_t>(got));
        auto bytes = std::make_shared<std::string>(connection.in);
        const auto decoded = protocol::RequestDecoder().decode(*bytes);
        if (decoded.outcome == protocol::Decoded::incomplete) return;
        connection.in.clear();
        if (decoded.request.layout != layout) {
            std::string reply;
            protocol::append(reply, decoded.request.command, layout, {protocol::Status::bad, 0, {}, {}});
            write_to(number, reply);
            return;
        }
        asked.push_back({number, decoded.request, std::move(bytes)});
    }

    EventLoop& loop_;
    std::string directory_;
    int listener_ = -1;
    std::unique_ptr<FdWatch> watch_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace proxyd::relay
