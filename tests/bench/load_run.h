// How run_load() works: clients that take turns on one epoll set.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "protocol/client_session.h"
#include "tests/bench/load.h"

namespace proxyd::bench {

using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;

// The time before a client connects again, as Postfix clients wait.
constexpr std::chrono::seconds reconnect_delay{1};

constexpr protocol::Flags caller_flags =
    protocol::flag::lock | protocol::flag::fold_fix | protocol::flag::utf8_request;

enum class State {
    disconnected,  // waits for its time to connect
    greeting,      // connected, waits for the greeting
    open,          // has sent an open request
    lookup,        // has sent a lookup
    held,          // has had its one lookup and stays connected
};

struct Client {
    Client(const LoadOptions& options) : flags{options.layout, caller_flags, options.smtputf8} {}

    protocol::TableFlags flags;
    State state = State::disconnected;
    int fd = -1;
    bool greeted = false;      // on any connection
    bool opened = false;       // the flags of the table are known
    bool wants_write = false;  // waits for room in the socket's buffer
    bool lost = false;         // the last connection ended during a request
    std::string out;           // bytes to send
    std::string in;            // bytes to parse
    const std::pair<std::string, std::string>* wanted = nullptr;  // key and value of this turn
    TimePoint started;                                            // start of this turn
};

class Load {
  public:
    explicit Load(const LoadOptions& options);
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    LoadReport run(const std::function<void(const LoadReport&)>& before_closing);

  private:
    void connect(Client& client);
    // False when the listen queue is full.
    bool try_to_connect(Client& client);
    void connect_waiting();
    void connect_later(Client& client, SteadyClock::duration delay);
    void disconnect(Client& client);
    void lose(Client& client);
    void begin_turn(Client& client);
    void next_request(Client& client);
    // Whether the server has closed the connection, or sent bytes without a request, since the last reply.
    [[nodiscard]] bool is_stale(const Client& client);
    void send(Client& client);
    void receive(Client& client);
    // False if more bytes are needed or the connection is gone.
    bool understand(Client& client);
    void count(const Client& client, const protocol::Reply& reply);
    void count_greeted(Client& client);
    void hold(Client& client);
    void watch(Client& client, int operation, std::uint32_t events);
    void wait();

    const LoadOptions& options_;
    LoadReport report_;
    std::vector<std::unique_ptr<Client>> clients_;
    using Wakeup = std::pair<TimePoint, Client*>;
    std::priority_queue<Wakeup, std::vector<Wakeup>, std::greater<>> wakeups_;
    std::deque<Client*> waiting_;  // clients that wait for room in the listen queue
    std::mt19937_64 random_;
    TimePoint started_;
    std::size_t held_ = 0;
    TimePoint now_;
    int epoll_;
    bool counting_ = false;
    bool done_ = false;
    std::array<char, 65536> buffer_{};
};

}  // namespace proxyd::bench
