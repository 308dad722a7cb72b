// One connection to MySQL or MariaDB, by the library's non-blocking calls. One query is under way at a time:
// the protocol does not promise that what stands between us and the server keeps queries apart that are sent
// ahead of their answers.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backends/mysql/connector.h"
#include "backends/mysql/handle.h"
#include "backends/mysql/handle_watch.h"
#include "backends/mysql/statement.h"
#include "backends/pool/connection.h"
#include "backends/pool/row_buffer.h"

namespace proxyd::mysql {

class Driver;

class Connection final : public pool::Connection {
  public:
    Connection(Driver& driver, const std::string& host, pool::ConnectionObserver& observer);
    ~Connection() override;

    void connect() override;
    // Only when the query before has its outcome.
    void send(pool::QueryToken token, const pool::Query& query) override;
    [[nodiscard]] bool reset() override;
    [[nodiscard]] bool holds_transaction() const override;
    [[nodiscard]] bool should_recycle() const override;

  private:
    enum class Step {
        idle,         // no query is under way
        checking,     // whether the next answer is the one to the next question
        sending,      // a query
        sent,         // the library does nothing before the server says something
        reading,      // the first answer
        fetching,     // a row
        paused,       // between two of them: others have their turn
        next_result,  // the answer to its next statement
        rollback,     // what reset() does where no more than a transaction is left
        // what it does else, in this order
        asking,      // whether sessions begin with more than a reset restores
        resetting,   // all that queries may have left in the session, and what it began with
        database,    // the one that the session began with, which a reset leaves as it is
        charset,     // SET NAMES, also for the library, which follows what queries set
        time_limit,  // the server's limit for statements
    };
    struct ResultCloser {
        void operator()(MYSQL_RES* result) const {
            result->handle = nullptr;  // or else it would wait for the rows that have not come
            mysql_free_result(result);
        }
    };
    using Result = std::unique_ptr<MYSQL_RES, ResultCloser>;

    void established(std::unique_ptr<Handle> handle, Duration round_trip);
    // Each begins one step and returns what the library waits for; 0: it is done already.
    [[nodiscard]] int begin_check();
    [[nodiscard]] int begin_send();
    [[nodiscard]] int begin_read();
    [[nodiscard]] int begin_fetch();
    [[nodiscard]] int begin_next_result();
    [[nodiscard]] int begin_reset(Step step);
    [[nodiscard]] int begin_text();
    [[nodiscard]] std::optional<int> reset_step_done();
    // A step is done: begins the next one, if there is one now.
    [[nodiscard]] std::optional<int> step_done();
    [[nodiscard]] std::optional<int> checked();
    [[nodiscard]] std::optional<int> sent();
    [[nodiscard]] std::optional<int> answer_begun();
    [[nodiscard]] std::optional<int> result_begun();
    [[nodiscard]] std::optional<int> fetched();
    [[nodiscard]] bool take_row(std::size_t& bytes);
    void go_on_later(int (Connection::*begin)());
    void come_again(std::optional<int> (Connection::*work)());
    [[nodiscard]] std::optional<int> answer_read();
    [[nodiscard]] bool row_is_large() const;
    [[nodiscard]] std::optional<int> next_statement();
    void query_done(bool failed);
    void conclude(bool failed);
    void drive(std::optional<int> waits);
    void woken(int ready);
    void report();
    void too_large();
    void fail(const std::string& why);
    [[nodiscard]] bool cut_short() const;
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
    Step step_ = Step::idle;
    // The query under way.
    pool::QueryToken token_ = 0;
    std::shared_ptr<const Statement> statement_;
    std::string text_;   // the library reads it while it sends
    TimePoint begun_{};  // the sending; the server began with it some time after that
    TimePoint ended_{};  // the reading; a large answer's report may have to wait after that
    std::size_t answer_limit_ = 0;
    int result_sets_ = 0;
    Result result_;          // that is being read
    pool::RowBuffer rows_;   // of it, or of the last
    std::size_t taken_ = 0;  // in this turn of the loop
    TimePoint checked_at_{};
    // Results of the library's calls.
    int call_result_ = 0;
    my_bool read_result_ = 0;
    MYSQL_ROW row_ = nullptr;
    bool begins_plainly_ = false;  // the session, without an init_connect of the server's
    bool closed_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace proxyd::mysql
