// One connection to MySQL or MariaDB, by the library's non-blocking calls.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/event/resolver.h"
#include "backends/mysql/cluster.h"
#include "backends/mysql/handle.h"
#include "backends/mysql/statement.h"
#include "backends/pool/connection.h"

namespace proxyd::mysql {

class Driver;

class Connection final : public pool::Connection {
  public:
    Connection(Driver& driver, const std::string& host, pool::ConnectionObserver& observer);
    ~Connection() override;

    void connect() override;
    void send(pool::QueryToken token, const pool::Query& query) override;

  private:
    // What the library is doing.
    enum class Step {
        none,         // nothing: the connection is idle, or not begun
        connecting,   // TCP, greeting, TLS, authentication
        charset,      // SET NAMES
        time_limit,   // the server's limit for statements
        querying,     // sending the query, waiting for the first result
        storing,      // reading one result set
        next_result,  // waiting for another one

    };
    struct ResultCloser {
        void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
    };
    using Result = std::unique_ptr<MYSQL_RES, ResultCloser>;

    void next_address();
    void try_address(std::string address);
    void set_options();
    void insist(MYSQL* mysql);
    // Each begins one step and returns what the library waits for; 0: it is done already.
    [[nodiscard]] int begin_connect();
    [[nodiscard]] int begin_charset();
    [[nodiscard]] int begin_time_limit();
    [[nodiscard]] int begin_query(const std::string& text, Step step);
    [[nodiscard]] int begin_store();
    [[nodiscard]] int begin_next_result();
    // A step is done: begins the next one, or reports.
    [[nodiscard]] std::optional<int> step_done();
    [[nodiscard]] std::optional<int> query_step_done();
    void drive(std::optional<int> waits);
    void drop_dead_watch();
    void wait_for(int waits);
    void woken(int ready);
    void established();
    void finish_query();
    void connect_failed(pool::Failure failure);
    void broken(const std::string& why);
    [[nodiscard]] pool::Failure failure(bool while_connecting);
    void later(std::function<void()> work);

    Driver& driver_;
    std::string host_;
    pool::ConnectionObserver& observer_;
    Endpoint endpoint_;
    std::shared_ptr<Resolver::Handle> resolving_;
    std::vector<std::string> addresses_;  // still to be tried, last first
    std::string address_;                 // being tried
    std::string host_given_;              // what the library reads until it is connected
    std::unique_ptr<Handle> handle_;
    std::unique_ptr<FdWatch> watch_;  // destroyed before the handle
    int watched_fd_ = -1;
    std::unique_ptr<Timer> timer_;
    Step step_ = Step::none;
    MYSQL* connected_ = nullptr;  // results of the library's calls
    int call_result_ = 0;
    MYSQL_RES* stored_ = nullptr;
    TimePoint probed_at_{};
    Duration round_trip_{};
    pool::QueryToken token_ = 0;
    std::shared_ptr<const Statement> statement_;
    std::string text_;  // of the query under way: the library reads it while it sends
    Result result_;
    bool several_results_ = false;
    bool done_in_send_ = false;  // the call was over before the pool could hear of it
    bool closed_ = false;
    pool::Failure last_failure_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace proxyd::mysql
