// Opens one connection to MySQL or MariaDB: tries the addresses of a host in turn, logs in, and has the
// session set up. Another connection is opened when an optional statement of the setup breaks the first one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backends/cluster/address_walk.h"
#include "backends/event/lifetime.h"
#include "backends/event/resolver.h"
#include "backends/mysql/cluster.h"
#include "backends/mysql/context.h"
#include "backends/mysql/handle.h"
#include "backends/mysql/handle_watch.h"
#include "backends/mysql/session_setup.h"
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
    void next_address();
    void try_address(std::string address);
    void set_options();
    void enforce_options(MYSQL* mysql);
    // Each begins one step and returns the events that the library waits for; 0: the step is done already.
    [[nodiscard]] int begin_connect();
    [[nodiscard]] int begin_setup();
    // A step is done: begins the next one, or reports (no value).
    [[nodiscard]] std::optional<int> step_done();
    [[nodiscard]] std::optional<int> setup_step_done();
    void drive(std::optional<int> waits);
    void woken(int ready);
    void established();
    void attempt_failed();
    void attempt_failed(const pool::Failure& failure, bool said_by_server);
    void share_is_over();
    void setup_lost();
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
    HandleWatch watch_;                   // destroyed before the handle
    std::optional<SessionSetup> setup_;   // once logged in; destroyed after the handle
    std::unique_ptr<Timer> share_timer_;  // of the address, for all its steps
    MYSQL* connected_ = nullptr;          // result of the library's call
    int setups_lost_ = 0;
    TimePoint begun_{};  // start of the connection to this address
    std::chrono::milliseconds time_limit_{};
    bool over_ = false;
    bool moving_ = false;  // another connection begins when the present callback has returned
    Lifetime lifetime_;
};

}  // namespace proxyd::mysql
