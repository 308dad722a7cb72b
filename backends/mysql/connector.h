// Opens one connection to MySQL or MariaDB and prepares it: tries the addresses of a host in turn, sets the
// character set and the server's limit for statements, asks whether the server serves, and tries whether
// queries may be sent ahead.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/event/resolver.h"
#include "backends/mysql/cluster.h"
#include "backends/mysql/handle.h"
#include "backends/mysql/handle_watch.h"
#include "backends/pool/failure.h"

namespace proxyd::mysql {

class Driver;

class Connector {
  public:
    // Exactly one of them is called, from the loop, never before start() returns. The connector may be
    // destroyed in it. The duration is that of an empty exchange with the server.
    using Connected = std::function<void(std::unique_ptr<Handle>, Duration)>;
    using Failed = std::function<void(const pool::Failure&)>;

    Connector(Driver& driver, const std::string& host, Connected connected, Failed failed);
    ~Connector();
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;

    void start();

  private:
    // What the library is doing.
    enum class Step {
        connecting,   // TCP, greeting, TLS, authentication
        charset,      // SET NAMES
        time_limit,   // the server's limit for statements
        serving,      // whether it takes queries
        probe_send,   // two queries at once
        probe_read,   // their first answers
        probe_store,  // their results
    };

    void next_address();
    void try_address(std::string address);
    void set_options();
    void insist(MYSQL* mysql);
    // Each begins one step and returns what the library waits for; 0: it is done already.
    [[nodiscard]] int begin_connect();
    [[nodiscard]] int begin_charset();
    [[nodiscard]] int begin_time_limit();
    [[nodiscard]] int begin_serving();
    [[nodiscard]] int begin_query(std::string text);
    [[nodiscard]] int begin_probe_send();
    [[nodiscard]] int begin_probe_read();
    [[nodiscard]] int begin_probe_store();
    // A step is done: begins the next one, or reports (no value).
    [[nodiscard]] std::optional<int> step_done();
    [[nodiscard]] std::optional<int> probe_stored();
    [[nodiscard]] bool of_no_use() const;
    void drive(std::optional<int> waits);
    void woken(int ready);
    void established();
    void attempt_failed();
    void probe_failed();
    void without_pipelining();
    void later(std::function<void()> work);

    Driver& driver_;
    std::string host_;
    Connected connected_callback_;
    Failed failed_callback_;
    Endpoint endpoint_;
    std::shared_ptr<Resolver::Handle> resolving_;
    std::vector<std::string> addresses_;  // still to be tried, last first
    std::string address_;                 // being tried
    std::string host_given_;              // what the library reads until it is connected
    std::unique_ptr<Handle> handle_;
    HandleWatch watch_;  // destroyed before the handle
    std::unique_ptr<Timer> probe_timer_;
    Step step_ = Step::connecting;
    MYSQL* connected_ = nullptr;  // results of the library's calls
    int call_result_ = 0;
    my_bool read_result_ = 0;
    MYSQL_RES* stored_ = nullptr;
    std::string text_;  // of the statement under way: the library reads it while it sends
    std::size_t probes_ = 0;
    TimePoint probed_at_{};
    Duration round_trip_{};
    bool over_ = false;
    pool::Failure last_failure_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace proxyd::mysql
