// Opens one connection to MySQL or MariaDB and prepares it: tries the addresses of a host in turn, sets the
// character set and the server's limit for statements, and asks whether the server serves. Optional
// statements are left out where connections do not survive them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/cluster/address_walk.h"
#include "backends/event/lifetime.h"
#include "backends/event/resolver.h"
#include "backends/mysql/cluster.h"
#include "backends/mysql/context.h"
#include "backends/mysql/handle.h"
#include "backends/mysql/handle_watch.h"
#include "backends/mysql/setup_memory.h"
#include "backends/pool/failure.h"

namespace proxyd::mysql {

class Connector {
  public:
    // Exactly one of them is called, from the loop, never before start() returns. It may destroy the
    // connector. The duration is that of an empty exchange with the server.
    using Connected = std::function<void(std::unique_ptr<Handle>, Duration)>;
    using Failed = std::function<void(const pool::Failure&)>;

    Connector(Context& context, const std::string& host, Connected connected, Failed failed);
    ~Connector();
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;

    void start();

    // The owner of the connection keeps this handle. Null: no name was resolved.
    [[nodiscard]] std::shared_ptr<Resolver::Handle> name() const { return resolving_; }

    // The server's limit for statements, as told to the server; the settings may have changed since.
    [[nodiscard]] std::chrono::milliseconds time_limit() const { return time_limit_; }

  private:
    // The present operation of the library.
    enum class Step {
        connecting,  // TCP, greeting, TLS, authentication
        charset,     // SET NAMES
        time_limit,  // the server's limit for statements
        serving,     // whether it takes queries
    };

    void next_address();
    void try_address(std::string address);
    void set_options();
    void enforce_options(MYSQL* mysql);
    // Each begins one step and returns the events that the library waits for; 0: the step is done already.
    [[nodiscard]] int begin_connect();
    [[nodiscard]] int begin_charset();
    [[nodiscard]] int begin_optional(OptionalStep step);
    // A step is done: begins the next one, or reports (no value).
    [[nodiscard]] std::optional<int> step_done();
    [[nodiscard]] std::optional<int> optional_step_done();
    // Begins the next wanted step after `done`.
    [[nodiscard]] std::optional<int> begin_after(Step done);
    [[nodiscard]] bool wants(OptionalStep step) const;
    [[nodiscard]] std::string statement_of(OptionalStep step) const;
    [[nodiscard]] OptionalStep optional_step() const;  // the one under way
    [[nodiscard]] Duration patience() const;           // time limit of an optional step
    [[nodiscard]] bool of_no_use() const;
    void drive(std::optional<int> waits);
    void woken(int ready);
    void established();
    void attempt_failed();
    void attempt_failed(const pool::Failure& failure, bool said_by_server);
    void share_is_over();
    void optional_step_lost(const std::string& why);
    void later(std::function<void()> work);
    void move_later(std::function<void()> move);

    Context& context_;
    std::string host_;
    Connected connected_callback_;
    Failed failed_callback_;
    Endpoint endpoint_;
    std::shared_ptr<Resolver::Handle> resolving_;
    proxyd::cluster::AddressWalk walk_;
    std::string address_;     // being tried
    std::string host_given_;  // the library reads it until it is connected
    std::unique_ptr<Handle> handle_;
    HandleWatch watch_;                      // destroyed before the handle
    std::unique_ptr<Timer> patience_timer_;  // of an optional step
    std::unique_ptr<Timer> share_timer_;     // of the address, for all its steps
    Step step_ = Step::connecting;
    MYSQL* connected_ = nullptr;  // results of the library's calls
    int call_result_ = 0;
    std::string text_;  // the statement under way: the library reads it while it sends
    int steps_lost_ = 0;
    TimePoint begun_{};  // start of the connection to this address
    TimePoint charset_sent_at_{};
    Duration round_trip_{};
    std::chrono::milliseconds time_limit_{};
    bool over_ = false;
    bool moving_ = false;  // another connection begins when the present callback has returned
    Lifetime lifetime_;
};

// The statement that sets the server's time limit for statements, sent when a connection begins.
[[nodiscard]] std::string time_limit_statement(Handle& handle, std::chrono::milliseconds limit);

}  // namespace proxyd::mysql
