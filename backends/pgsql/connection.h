// One PostgreSQL connection: libpq in pipeline mode. Queries of one prepared statement that are sent in one
// pass of the loop share a sync (a batch): a sync costs the server about as much as a query.
//
// Each answer is checked against its query: its position, the columns, the requested format, the number of
// rows. If something does not fit, the connection ends, and no answer that was read together with the misfit
// is reported.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/event/lifetime.h"
#include "backends/pgsql/arrival.h"
#include "backends/pgsql/connector.h"
#include "backends/pgsql/context.h"
#include "backends/pgsql/shape.h"
#include "backends/pgsql/statement.h"
#include "backends/pool/connection.h"
#include "backends/pool/ring_buffer.h"

namespace proxyd::pgsql {

class Connection final : public pool::Connection {
  public:
    static constexpr bool pipelines = true;

    Connection(Context& context, const std::string& host, pool::ConnectionObserver& observer);
    ~Connection() override;

    void connect() override;
    void send(pool::QueryToken token, const pool::Query& query) override;
    [[nodiscard]] bool reset() override;
    [[nodiscard]] std::size_t batch_size() const override;
    [[nodiscard]] bool should_recycle() const override;

  private:
    struct ResultCloser {
        void operator()(PGresult* result) const { PQclear(result); }
    };
    using ResultHandle = std::unique_ptr<PGresult, ResultCloser>;

    enum class State {
        open,      // it connects or serves
        lost,      // no more is read; answers that were read are reported before the end
        in_doubt,  // the same, but data already read is not trusted either
        closed,    // the observer knows of the end
    };

    // The requests to the server for one query, in this order.
    enum class Step {
        prepare,   // parse the statement under a name
        describe,  // say the columns of its answers
        run,       // bind and execute, or execute the text
    };

    // What the server has said to a query.
    enum class Answer {
        outstanding,  // nothing that counts yet
        complete,     // `result` is the last one
        failed,       // `result` is the first error
        too_large,    // above answer_limit: not kept
        unusable,     // an error before it, or the wrong format
    };

    // Which sync ends the transaction of a query.
    enum class Sync {
        open,     // none was sent after it yet; none follows a query outside the pipeline
        of_next,  // the next query's: its answer comes with that of the next one
        own,      // one follows it
    };

    // A query that was sent; token 0: a command of our own.
    struct Sent {
        pool::QueryToken token = 0;
        const char* command = nullptr;  // our own command; null: an empty exchange
        bool makes_ready = false;       // our own command: after it the connection is ready for lookups
        std::shared_ptr<const Statement> statement;
        Path path = Path::prepared;
        Step step = Step::run;       // the first one without an answer
        bool step_answered = false;  // its result is there, its end is not
        bool preparing = false;      // not prepared and described yet
        std::size_t answer_limit = pool::no_answer_limit;
        int preparation = 0;  // number of the statement's preparation that it relies on
        std::shared_ptr<Shape> shape;
        int format = 0;  // of the columns; see next_format()
        ResultHandle result;
        Answer answer = Answer::outstanding;
        Sync sync = Sync::open;

        [[nodiscard]] bool is_empty() const { return token == 0 && command == nullptr; }
    };

    void established(ConnectionHandle handle);
    [[nodiscard]] bool send_bound(const pool::Query& query, Sent& sent);
    void send_text(const pool::Query& query, Sent sent);
    void ready(Ready what);
    [[nodiscard]] bool consume();
    void give_up_answer(const Sent& sent);
    void sync();
    [[nodiscard]] bool send_own(const char* command, bool makes_ready);
    void own_done(const Sent& sent);
    void flush();
    void drop_dead_watch();
    [[nodiscard]] bool something_waits() const;
    [[nodiscard]] int next_format(const Shape& shape);
    void read_results();
    void collect();
    void take_end(bool again);
    void take_sync();
    void take(Sent& sent, ResultHandle result);
    void take_success(Sent& sent, ResultHandle result);
    void finish(std::size_t count);
    [[nodiscard]] bool deliver();
    void report(const Sent& sent);
    [[nodiscard]] pool::Outcome error_outcome(const Sent& sent);
    void finished_later(pool::QueryToken token, pool::Failure failure);
    void lost(const std::string& why);
    void out_of_step(const std::string& sign);
    void lost_or_out_of_step(const std::string& sign);
    static void notice(void* self, const PGresult* result);
    void broken(const std::string& why);
    void closed_later(pool::Failure failure);

    Context& context_;
    std::string host_;
    pool::ConnectionObserver& observer_;
    std::unique_ptr<Connector> connector_;  // lives as long as the connection
    ConnectionHandle connection_;
    std::unique_ptr<FdWatch> watch_;  // destroyed before the connection
    int watched_fd_ = -1;
    pool::RingBuffer<Sent> sent_;
    std::size_t answered_ = 0;        // number of sent_ that have results, but no sync yet
    std::vector<Sent> finished_;      // read, and not reported yet
    std::size_t results_ = 0;         // number of results taken
    std::optional<Arrival> arrival_;  // the answer to the first unanswered query has come in part
    bool swollen_ = false;            // the library keeps a large value's memory as long as the connection
    int unsynced_ = 0;                // number of the last of sent_ without a sync, all of one statement
    // Keyed by Statement::server_name(). The name on the server has the number appended.
    struct Preparation {
        std::weak_ptr<const Statement> statement;  // expired: its table has changed
        int number = 0;
        std::string name;
        TimePoint at{};
        std::shared_ptr<Shape> shape = std::make_shared<Shape>();
    };
    std::map<std::string, Preparation> prepared_;
    int preparations_ = 0;
    std::vector<std::string> values_;          // parameters of the last bound query; kept for their memory
    std::vector<const char*> value_pointers_;  // to them
    TimePoint probed_at_{};
    State state_ = State::open;
    std::string why_lost_;    // from State::lost on
    bool held_back_ = false;  // a query was not sent because the connection is about to end
    int format_ = 0;          // of the last query that could have either format
    Lifetime lifetime_;
};

}  // namespace proxyd::pgsql
