// One connection to MySQL or MariaDB, by the library's non-blocking calls. Several queries may be under way:
// the server answers them one after the other, each for itself.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "backends/mysql/connector.h"
#include "backends/mysql/handle.h"
#include "backends/mysql/handle_watch.h"
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
        none,
        sending,      // a query
        reading,      // the first answer to it
        storing,      // one result set
        next_result,  // the answer to its next statement
    };
    struct Sent {
        pool::QueryToken token = 0;
        std::shared_ptr<const Statement> statement;
        std::string text;   // the library reads it while it sends
        TimePoint begun{};  // the sending; the server began with it some time after that
    };
    struct ResultCloser {
        void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
    };
    using Result = std::unique_ptr<MYSQL_RES, ResultCloser>;

    void established(std::unique_ptr<Handle> handle, Duration round_trip);
    // Each begins one step and returns what the library waits for; 0: it is done already.
    [[nodiscard]] int begin_send();
    [[nodiscard]] int begin_read();
    [[nodiscard]] int begin_store();
    [[nodiscard]] int begin_next_result();
    // Sends what waits as far as it can; no value: the library is free.
    [[nodiscard]] std::optional<int> send_waiting();
    [[nodiscard]] bool may_send() const;
    // A step is done: begins the next one, if there is one now.
    [[nodiscard]] std::optional<int> step_done();
    [[nodiscard]] std::optional<int> next_step();
    [[nodiscard]] std::optional<int> stored();
    [[nodiscard]] std::optional<int> query_done(bool failed);
    void drive(std::optional<int> waits);
    void woken(int ready);
    void report(const Sent& sent, const Result& result, bool several_results);
    [[nodiscard]] bool cut_short(const Sent& sent) const;
    void broken(const std::string& why);
    void broken(const pool::Failure& why);
    void later(std::function<void()> work);

    Driver& driver_;
    std::string host_;
    pool::ConnectionObserver& observer_;
    std::unique_ptr<Connector> connector_;
    std::shared_ptr<Resolver::Handle> name_;
    std::unique_ptr<Handle> handle_;
    std::chrono::milliseconds time_limit_{};  // the server's, for statements on this connection
    HandleWatch watch_;                       // destroyed before the handle
    Step step_ = Step::none;
    std::deque<Sent> waiting_;  // to be sent
    std::deque<Sent> sent_;     // in the order of their answers
    std::size_t unanswered_bytes_ = 0;
    bool read_ahead_ = false;  // more answers may have been received than read
    bool send_failed_ = false;
    TimePoint drained_at_{};  // when nothing was under way
    int call_result_ = 0;     // results of the library's calls
    my_bool read_result_ = 0;
    MYSQL_RES* stored_ = nullptr;
    Result result_;  // of the query whose answer is being read
    bool several_results_ = false;
    bool closed_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace proxyd::mysql
