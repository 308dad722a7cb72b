// Serves tables that proxyd does not serve itself: it sends their requests to the stock server, which runs
// under another service name, and returns the replies.
//
// A process of the stock server serves many connections, but one request at a time. So a connection is opened
// when all others have been busy for a moment: another process then accepts it, and a slow table delays only
// its own lookups. If two connections may have reached one process nevertheless, a request that waits there
// behind another one moves to a new connection.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/event/loop.h"
#include "backends/relay/connection.h"
#include "backends/relay/job_queue.h"
#include "protocol/message.h"

namespace proxyd::relay {

struct RelaySettings {
    std::string path;            // the stock server's socket; empty: there is none
    std::string advice;          // ends the log line about a server that does not answer
    std::string silence_advice;  // ends the log line about connections that no process has accepted in time
    std::string service_name = "proxymap";  // the value of the stock server's -n option
    int connections = 16;
    int queue_limit = 10000;
    Duration lookup_timeout = std::chrono::seconds(10);
    Greeting greeting = Greeting::probe;
    // The layout that the server probably understands; the relay notices if it does not.
    protocol::Layout layout = protocol::Layout::flags;
};

struct Slot;

class Relay {
  public:
    // The loop outlives the relay.
    Relay(Loop& loop, RelaySettings settings);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    // Calls back exactly once, after lookup_timeout or at the deadline at the latest, possibly before ask()
    // returns. The table comes without the leading proxy:; the reply has the layout of the request. Without
    // an answer from the stock server the status is retry, except for open: it is then ok, with the usual
    // flags of the type, as clients would repeat it for ever.
    void ask(const protocol::Request& request, ReplyCallback callback,
             std::optional<Deadline> deadline = std::nullopt);

    // The same for our own query, in a table that is opened as for a domain list.
    void lookup(std::string_view table, std::string_view key, Deadline deadline, ReplyCallback callback);

    // After a reload.
    void change(RelaySettings settings);

    // The process is about to end: idle connections are closed, busy ones when they become idle.
    void wind_down();

    // Whether there is a stock server.
    [[nodiscard]] bool has_server() const { return !settings_.path.empty(); }

    [[nodiscard]] std::size_t connections() const { return slots_.size(); }

  private:
    void take(const JobPtr& job, std::optional<Deadline> deadline);
    void dispatch();
    void send(Slot& slot, const JobPtr& job);
    void open_connection();
    void cannot_connect(int error);
    void close_unusable();
    void look_later();
    void look();
    void close_unused();

    void ready(Slot& slot);
    void replied(Slot& slot, const protocol::Reply& reply);
    void handle(const JobPtr& job, const protocol::Reply& reply);
    void lost(Slot& slot, const std::string& reason);
    JobPtr release(Slot& slot);
    void remove(const Slot& slot);

    void repeat(const JobPtr& job, const std::string& reason);
    void answer(const JobPtr& job, const protocol::Reply& reply);
    void give_up(const JobPtr& job, const std::string& reason);
    void expired(const JobPtr& job);

    [[nodiscard]] bool is_absent() const { return absent_since_ || !has_server(); }
    [[nodiscard]] std::size_t free() const;
    [[nodiscard]] bool usable(const Slot& slot) const;
    [[nodiscard]] bool may_open() const;
    [[nodiscard]] std::string silence() const;
    [[nodiscard]] protocol::Flags announced(const protocol::Request& open) const;

    Loop& loop_;
    RelaySettings settings_;
    JobQueue queue_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::uint64_t last_id_ = 0;
    protocol::Layout layout_;
    // By table and instance: the flags of the last good reply to open.
    std::map<std::pair<std::string, protocol::Flags>, protocol::Flags> opened_;
    std::optional<TimePoint> absent_since_;
    std::string trouble_;  // why there is no connection, while there is none
    TimePoint open_again_at_{};
    std::unique_ptr<Timer> look_timer_;
    std::unique_ptr<Timer> unused_timer_;
    bool winding_down_ = false;
};

}  // namespace proxyd::relay
