// One connection to MySQL or MariaDB, by the library's non-blocking calls. One query is under way at a time:
// a proxy between us and the server may mix up queries that are sent ahead of their answers, and the protocol
// does not forbid that.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backends/event/lifetime.h"
#include "backends/mysql/connector.h"
#include "backends/mysql/context.h"
#include "backends/mysql/handle.h"
#include "backends/mysql/handle_watch.h"
#include "backends/mysql/statement.h"
#include "backends/pool/connection.h"
#include "backends/pool/row_buffer.h"

namespace proxyd::mysql {

class Connection final : public pool::Connection {
  public:
    static constexpr bool pipelines = false;

    Connection(Context& context, const std::string& host, pool::ConnectionObserver& observer);
    ~Connection() override;

    void connect() override;
    // Only when the previous query has its outcome.
    void send(pool::QueryToken token, const pool::Query& query) override;
    [[nodiscard]] bool reset() override;
    [[nodiscard]] bool holds_transaction() const override;
    [[nodiscard]] bool should_recycle() const override;

  private:
    enum class Step {
        idle,         // no query is under way
        checking,     // a ping: whether the next answer belongs to it
        sending,      // a query
        sent,         // no library call until the server answers
        reading,      // the first answer
        fetching,     // a row
        paused,       // between two library calls: others have their turn
        next_result,  // the answer to the next statement of the query
        rollback,     // of reset(), if only a transaction is left
        // the other steps of reset(), in this order
        asking,      // whether sessions begin with an init_connect, which a reset does not run
        resetting,   // undoes all changes to the session, its initial settings included
        database,    // the initial one, as a reset keeps the current one
        charset,     // SET NAMES, also for the library, which follows changes by queries
        time_limit,  // the server's limit for statements
        closed,      // the observer knows of the end
    };
    struct ResultCloser {
        void operator()(MYSQL_RES* result) const {
            result->handle = nullptr;  // otherwise it would wait for the rows still to come
            mysql_free_result(result);
        }
    };
    using Result = std::unique_ptr<MYSQL_RES, ResultCloser>;

    void established(std::unique_ptr<Handle> handle, Duration round_trip);
    // Each begins one step and returns the events that the library waits for; 0: the step is done already.
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

    Context& context_;
    std::string host_;
    pool::ConnectionObserver& observer_;
    std::unique_ptr<Connector> connector_;
    std::shared_ptr<Resolver::Handle> name_;
    std::unique_ptr<Handle> handle_;
    std::chrono::milliseconds time_limit_{};  // the server's limit for statements on this connection
    HandleWatch watch_;                       // destroyed before the handle
    Step step_ = Step::idle;
    // The query under way.
    pool::QueryToken token_ = 0;
    std::shared_ptr<const Statement> statement_;
    std::string text_;   // the library reads it while it sends
    TimePoint begun_{};  // start of sending; the server began with the query some time later
    TimePoint ended_{};  // end of reading; the report of a large answer may come later
    std::size_t answer_limit_ = 0;
    int result_sets_ = 0;
    Result result_;          // the one being read
    pool::RowBuffer rows_;   // of result_, or of the last one
    std::size_t taken_ = 0;  // bytes and rows (as bytes) read in this turn of the loop
    TimePoint checked_at_{};
    // Results of the library's calls.
    int call_result_ = 0;
    my_bool read_result_ = 0;
    MYSQL_ROW row_ = nullptr;
    bool begins_plainly_ = false;  // the session begins without an init_connect of the server
    Lifetime lifetime_;
};

}  // namespace proxyd::mysql
