// One PostgreSQL connection: libpq in pipeline mode, one sync per query.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "backends/pgsql/connector.h"
#include "backends/pgsql/statement.h"
#include "backends/pool/connection.h"

namespace proxyd::pgsql {

class Driver;

class Connection final : public pool::Connection {
  public:
    Connection(Driver& driver, const std::string& host, pool::ConnectionObserver& observer);
    ~Connection() override;

    void connect() override;
    void send(pool::QueryToken token, const pool::Query& query) override;

  private:
    struct ResultCloser {
        void operator()(PGresult* result) const { PQclear(result); }
    };
    using ResultHandle = std::unique_ptr<PGresult, ResultCloser>;

    // A query that was sent; token 0 is the empty exchange after connecting.
    struct Sent {
        pool::QueryToken token = 0;
        std::shared_ptr<const Statement> statement;
        Path path = Path::prepared;
        bool preparing = false;  // the next result is that of the preparation
        int preparation = 0;     // which preparation of the statement it relies on
        ResultHandle result;     // the last one with rows, or the first error
        bool failed = false;
    };

    void established(ConnectionHandle handle);
    [[nodiscard]] bool send_bound(const pool::Query& query, Sent& sent);
    void send_text(const pool::Query& query, Sent sent);
    void ready(Ready what);
    void flush();
    void drop_dead_watch();
    void read_results();
    void take(Sent& sent, ResultHandle result);
    void finish_front();
    void report(const Sent& sent);
    [[nodiscard]] pool::Outcome error_outcome(const Sent& sent);
    void finished_later(pool::QueryToken token, pool::Failure failure);
    void broken(const std::string& why);
    void closed_later(pool::Failure failure);

    Driver& driver_;
    std::string host_;
    pool::ConnectionObserver& observer_;
    std::unique_ptr<Connector> connector_;
    ConnectionHandle connection_;
    std::unique_ptr<FdWatch> watch_;  // destroyed before the connection
    int watched_fd_ = -1;
    std::deque<Sent> sent_;
    // By Statement::server_name(). The name on the server has the number behind it.
    struct Preparation {
        int number = 0;
        std::string name;
        TimePoint at{};
    };
    std::map<std::string, Preparation> prepared_;
    int preparations_ = 0;
    TimePoint probed_at_{};
    bool closed_ = false;
    bool lost_ = false;  // a result said that the server ends the connection
    std::string lost_why_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace proxyd::pgsql
