// Replies that are too long to send at once, and the limit on their memory together.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/pool/row_buffer.h"
#include "backends/table/table_set.h"
#include "proxyd/server/server.h"
#include "tests/unit/relay/run_until.h"

namespace proxyd::server {
namespace {

using namespace std::chrono_literals;
using protocol::Command;
using protocol::Layout;
using protocol::Reply;
using protocol::Status;

constexpr std::size_t megabyte = std::size_t{1} << 20;

// Answers with as many bytes as the key says.
class LengthRunner final : public table::QueryRunner {
  public:
    void run(std::shared_ptr<const sql::Key> key, Deadline, pool::OutcomeCallback&& callback) override {
        std::size_t length = 0;
        std::from_chars(key->text().data(), key->text().data() + key->text().size(), length);
        pool::RowBuffer rows;
        rows.begin(1, pool::no_answer_limit);
        (void)rows.add(std::string(length, 'x'));
        callback({&rows, {}});
    }
    void prepare_only(Deadline, table::TrialCallback) override {}
};

class LengthBackend final : public table::TableBackend {
  public:
    [[nodiscard]] sql::SqlDialect dialect() const override { return sql::SqlDialect::pgsql; }
    [[nodiscard]] std::vector<std::string_view> parameter_names() const override { return {}; }
    [[nodiscard]] std::unique_ptr<table::QueryRunner> make_runner(const std::string&, table::TableParameters&,
                                                                  const table::SqlDefinition&,
                                                                  const table::TableSettings&) override {
        return std::make_unique<LengthRunner>();
    }
};

class LongReply : public testing::Test {
  protected:
    struct Connection {
        int fd = -1;
        std::string received;
        bool ended = false;
    };

    LongReply() {
        std::string pattern = testing::TempDir() + "proxyd-long-XXXXXX";
        directory = mkdtemp(pattern.data());
        std::ofstream(directory + "/t.cf") << "query = SELECT '%s'\n";
        name = "length:" + directory + "/t.cf";
        tables.ask_for_room([this](std::size_t bytes) {
            ++asked_for_room;
            return server.has_room_for_reply(bytes);
        });
        tables.add_backend("length", std::make_unique<LengthBackend>());
        service.change(postfix::ApprovedTables::from_names({name}), {postfix::Access::read, true, ""});
    }
    ~LongReply() override {
        for (const auto& one : connections) close(one->fd);
        std::filesystem::remove_all(directory);
    }
    LongReply(const LongReply&) = delete;
    LongReply& operator=(const LongReply&) = delete;

    Connection& connect() {
        int ends[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        connections.push_back(std::make_unique<Connection>());
        connections.back()->fd = ends[0];
        server.add_client(ends[1]);
        return *connections.back();
    }
    void ask(Connection& connection, std::size_t length, Layout layout = Layout::flags) const {
        protocol::Request request;
        request.layout = layout;
        request.table = name;
        const auto key = std::to_string(length);
        request.key = key;
        std::string bytes;
        protocol::append(bytes, request);
        ASSERT_EQ(write(connection.fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    void turn(Duration time = 50ms) {
        const auto timer = loop.make_timer([this] { loop.stop(); });
        timer->start(time);
        loop.run();
    }
    static void read_some(Connection& connection) {
        static thread_local std::array<char, 1 << 18> buffer;
        const auto got = read(connection.fd, buffer.data(), buffer.size());
        if (got > 0) connection.received.append(buffer.data(), static_cast<std::size_t>(got));
        if (got == 0) connection.ended = true;
    }
    // Reads the whole reply in another thread, as a client would.
    void receive(Connection& connection, const std::string& expected) {
        std::thread client([&] {
            while (!connection.ended && connection.received.size() < expected.size()) {
                pollfd readable{connection.fd, POLLIN, 0};
                (void)::poll(&readable, 1, -1);
                read_some(connection);
            }
            loop.post([this] { loop.stop(); });
        });
        loop.run();
        client.join();
        EXPECT_FALSE(connection.ended);
        EXPECT_TRUE(connection.received == expected) << connection.received.size() << " bytes";
    }
    static std::string found(std::size_t length, Layout layout = Layout::flags) {
        const std::string value(length, 'x');
        std::string bytes(protocol::greeting);
        protocol::append(bytes, Command::lookup, layout, Reply{Status::ok, 0, {}, value});
        return bytes;
    }
    static std::string try_again() {
        std::string bytes(protocol::greeting);
        protocol::append(bytes, Command::lookup, Layout::flags, Reply{Status::retry, 0, {}, {}});
        return bytes;
    }
    static table::TableSetOptions options() {
        table::TableSetOptions result;
        result.settings_for = [](table::TableParameters&) {
            table::TableSettings settings;
            settings.answer_size_limit = 200 * megabyte;
            return settings;
        };
        return result;
    }

    int asked_for_room = 0;
    std::string directory;
    std::string name;
    EventLoop loop;
    relay::Relay relay{loop, {}};
    table::TableSet tables{loop, options()};
    Service service{tables, relay, postfix::ApprovedTables::from_names({}), {}};
    Server server{loop, service, {}};
    std::vector<std::unique_ptr<Connection>> connections;
};

TEST_F(LongReply, IsWholeInEveryLayoutAndWhateverItsLength) {
    for (const auto layout : {Layout::flags, Layout::instance_flags}) {
        for (const std::size_t length : {std::size_t{65536}, std::size_t{65537}, 3 * megabyte}) {
            auto& client = connect();
            ask(client, length, layout);
            receive(client, found(length, layout));
            // The next request is answered as usual.
            client.received = protocol::greeting;
            ask(client, 5, layout);
            receive(client, found(5, layout));
        }
    }
}

// The reply is larger than what all clients together may leave unread.
TEST_F(LongReply, GoesToAClientThatReadsHoweverLongItIs) {
    auto& client = connect();
    ask(client, 80 * megabyte);
    receive(client, found(80 * megabyte));
}

TEST_F(LongReply, WhatFindsNoRoomIsTriedAgainLaterAndNobodyIsDisconnected) {
    for (int i = 0; i < 10; ++i) ask(connect(), 20 * megabyte);
    turn();
    for (const auto& one : connections) read_some(*one);
    const auto again = std::count_if(connections.begin(), connections.end(),
                                     [](const auto& one) { return one->received == try_again(); });
    EXPECT_EQ(again, 7);
    EXPECT_EQ(asked_for_room, 10) << "before the answers are made";
    EXPECT_EQ(server.memory().long_replies() / megabyte, 60U);
    for (const auto& one : connections) {
        if (one->received != try_again()) receive(*one, found(20 * megabyte));
    }
    EXPECT_EQ(server.memory().long_replies(), 0U);
    EXPECT_EQ(server.clients(), 10U);
    auto& last = *connections.back();
    last.received = protocol::greeting;
    ask(last, 20 * megabyte);
    receive(last, found(20 * megabyte));
}

TEST_F(LongReply, WhoDoesNotReadMakesRoomForOthers) {
    ServerSettings settings;
    settings.request_timeout = 1s;
    server.change(settings);
    for (int i = 0; i < 3; ++i) ask(connect(), 20 * megabyte);
    turn(4s);  // with a sanitizer such replies take long
    auto& reader = connect();
    ask(reader, 20 * megabyte);
    receive(reader, found(20 * megabyte));
    EXPECT_EQ(server.clients(), 1U);
}

TEST_F(LongReply, TheReplyOfAClientThatGoesAwayIsForgotten) {
    auto& client = connect();
    ask(client, 20 * megabyte);
    turn();
    EXPECT_GT(server.memory().long_replies(), 0U);
    shutdown(client.fd, SHUT_RDWR);
    run_until(loop, [this] { return server.clients() == 0; });
    turn(1ms);
    EXPECT_EQ(server.memory().long_replies(), 0U);
}

}  // namespace
}  // namespace proxyd::server
