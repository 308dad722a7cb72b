#include "backends/pgsql/connection.h"

#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backends/log.h"
#include "backends/pgsql/driver.h"
#include "backends/pgsql/error_class.h"
#include "backends/pgsql/result.h"

namespace proxyd::pgsql {
namespace {

using pool::Failure;
using pool::FailureClass;

constexpr const char* copy_command = "the query is a COPY command";

// The types in a prepared statement are those of the day: after an ALTER it may go on with the old ones. So
// it is prepared anew now and then, and a connection with many of them is renewed.
constexpr std::chrono::seconds preparation_age{5};
constexpr int most_preparations = 200;

// So many queries of one table share a sync at most.
constexpr int most_sharing = 8;

// A query's answer ends with the name of the command, that of a preparation describes no rows. When the
// connection breaks, libpq 15 forgets what was sent and takes the description of rows that are still to come
// for an answer without rows.
bool is_whole(const PGresult* result, bool of_preparation) {
    return of_preparation ? PQnfields(result) == 0 : *PQcmdStatus(const_cast<PGresult*>(result)) != '\0';
}

}  // namespace

Connection::Connection(Driver& driver, const std::string& host, pool::ConnectionObserver& observer)
    : driver_(driver), host_(host), observer_(observer) {}

Connection::~Connection() {
    watch_.reset();
}

void Connection::connect() {
    connector_ = std::make_unique<Connector>(
        driver_, host_, [this](ConnectionHandle handle) { established(std::move(handle)); },
        [this](const Failure& failure) {
            closed_ = true;
            observer_.closed(failure);
        });
    connector_->start();
}

void Connection::established(ConnectionHandle handle) {
    connection_ = std::move(handle);
    auto* connection = connection_.get();
    PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
    watched_fd_ = PQsocket(connection);
    watch_ = driver_.loop().watch(watched_fd_, [this](Ready what) { ready(what); });
    watch_->want(true, false);
    if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1 ||
        PQpipelineSync(connection) != 1) {
        broken(PQerrorMessage(connection));
        return;
    }
    probed_at_ = Clock::now();
    sent_.emplace_back();
    flush();
}

void Connection::send(pool::QueryToken token, const pool::Query& query) {
    Sent sent;
    sent.token = token;
    sent.statement = std::static_pointer_cast<const Statement>(query.statement);
    sent.path = sent.statement->path();
    if (sent.path == Path::prepared && driver_.behind_pooler()) sent.path = Path::bound;
    if (sent.path != Path::text && sent.statement->bound().backslash) {
        const char* conforming = PQparameterStatus(connection_.get(), "standard_conforming_strings");
        if (conforming == nullptr || std::string_view(conforming) != "on") {
            // Backslashes in the template's literals are escapes for this server.
            sent.statement->needs_text();
            finished_later(token, {FailureClass::resend, "standard_conforming_strings is off"});
            return;
        }
    }
    if (sent.path == Path::text) {
        send_text(query, std::move(sent));
        return;
    }
    if (unsynced_ > 0 && sent.statement != sent_.back().statement) sync();
    // The server keeps an answer until the sync unless it is asked for it: those behind it may take long.
    if (unsynced_ > 0) sent_.back().followed = PQsendFlushRequest(connection_.get()) == 1;
    if (!send_bound(query, sent)) {
        drop_dead_watch();
        closed_later({FailureClass::lost, one_line(PQerrorMessage(connection_.get()))});
        return;
    }
    const bool shares = sent.path == Path::prepared && !sent.preparing &&
                        sent.statement->may_share_sync(driver_.loop().now());
    sent_.push_back(std::move(sent));
    ++unsynced_;
    if (!shares || unsynced_ == most_sharing) {
        sync();
    } else if (unsynced_ == 1) {
        driver_.loop().defer([this, alive = std::weak_ptr<bool>(alive_)] {
            if (alive.lock() && !closed_ && unsynced_ > 0) sync();
        });
    }
}

// Ends what the server takes for one transaction: the first error in it has the rest of it left undone.
void Connection::sync() {
    unsynced_ = 0;
    if (PQpipelineSync(connection_.get()) == 1) {
        flush();
        return;
    }
    drop_dead_watch();
    closed_later({FailureClass::lost, one_line(PQerrorMessage(connection_.get()))});
}

bool Connection::send_bound(const pool::Query& query, Sent& sent) {
    auto* connection = connection_.get();
    const auto& statement = *sent.statement;
    const auto& bound = statement.bound();
    const table::KeyParts key(query.key);
    std::vector<std::string> values;
    std::vector<const char*> pointers;
    values.reserve(bound.parameters.size());
    pointers.reserve(bound.parameters.size());
    for (const auto& parameter : bound.parameters) {
        values.push_back(table::parameter_value(parameter, key));
        pointers.push_back(values.back().c_str());
    }
    const int count = static_cast<int>(pointers.size());
    if (sent.path == Path::bound) {
        return PQsendQueryParams(connection, bound.text.c_str(), count, nullptr, pointers.data(), nullptr,
                                 nullptr, 0) == 1;
    }
    const auto& name = statement.server_name();
    auto known = prepared_.find(name);
    const auto now = driver_.loop().now();
    if (known == prepared_.end() || now - known->second.at >= preparation_age) {
        if (unsynced_ > 0) sync();  // what fails before it must not keep it from being prepared
        ++preparations_;
        const Preparation fresh{sent.statement, preparations_, fmt::format("{}_{}", name, preparations_),
                                now};
        if (PQsendPrepare(connection, fresh.name.c_str(), bound.text.c_str(), 0, nullptr) != 1) return false;
        std::erase_if(prepared_, [](const auto& item) { return item.second.statement.expired(); });
        known = prepared_.insert_or_assign(name, fresh).first;
        sent.preparing = true;
        sent.commands = 2;
    }
    sent.preparation = known->second.number;
    return PQsendQueryPrepared(connection, known->second.name.c_str(), count, pointers.data(), nullptr,
                               nullptr, 0) == 1;
}

// The pool sends such a query only when nothing else is under way, and nothing behind it.
void Connection::send_text(const pool::Query& query, Sent sent) {
    auto* connection = connection_.get();
    const table::KeyParts key(query.key);
    const auto quote = [connection](std::string_view value, std::string& out) {
        const auto start = out.size();
        out.resize(start + 2 * value.size() + 1);
        int error = 0;
        const auto length =
            PQescapeStringConn(connection, out.data() + start, value.data(), value.size(), &error);
        out.resize(start + length);
        return error == 0;
    };
    const auto text = table::expand_query(sent.statement->query(), key, quote);
    if (!text) {
        finished_later(sent.token, {FailureClass::query,
                                    "the key cannot be quoted: " + one_line(PQerrorMessage(connection))});
        return;
    }
    // Of the two protocols only the simple one takes several statements at once.
    const auto submit = [&] {
        if (sent.statement->several_statements()) return PQsendQuery(connection, text->c_str());
        return PQsendQueryParams(connection, text->c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0);
    };
    if (PQexitPipelineMode(connection) != 1 || submit() != 1) {
        closed_later({FailureClass::lost, one_line(PQerrorMessage(connection))});
        return;
    }
    sent_.push_back(std::move(sent));
    flush();
}

void Connection::flush() {
    const int left = PQflush(connection_.get());
    drop_dead_watch();
    if (!watch_) {
        closed_later({FailureClass::lost, one_line(PQerrorMessage(connection_.get()))});
        return;
    }
    // A failure to write shows as a failure to read, with the server's last words before it.
    watch_->want(true, left == 1);
}

// libpq closes its socket where it gives up. The number may stand for another socket soon: of a client, of
// another connection.
void Connection::drop_dead_watch() {
    if (PQsocket(connection_.get()) != watched_fd_) watch_.reset();
}

void Connection::ready(Ready what) {
    if (closed_) return;
    if (what.write) flush();
    const bool readable = !what.read || PQconsumeInput(connection_.get()) == 1;
    drop_dead_watch();
    if (!readable) {
        read_results();
        if (!closed_) broken(lost_ ? lost_why_ : PQerrorMessage(connection_.get()));
        return;
    }
    read_results();
    if (!closed_ && lost_ && answered_ < sent_.size() && sent_[answered_].failed) {
        const auto place = sent_.begin() + static_cast<std::ptrdiff_t>(answered_);
        const Sent culprit = std::move(*place);
        sent_.erase(place);
        report(culprit);
    }
    if (!closed_ && (lost_ || PQstatus(connection_.get()) == CONNECTION_BAD)) {
        broken(lost_ ? lost_why_ : PQerrorMessage(connection_.get()));
    }
}

void Connection::read_results() {
    auto* connection = connection_.get();
    bool separated = false;
    while (!closed_ && !lost_ && PQisBusy(connection) == 0) {
        if (sent_.empty()) return;
        ResultHandle result(PQgetResult(connection));
        if (!result) {
            // In a pipeline it separates the results of commands; outside it ends them.
            if (PQpipelineStatus(connection) == PQ_PIPELINE_OFF) {
                if (PQstatus(connection) == CONNECTION_BAD) return;
                finish(1);
            } else if (separated || answered_ == sent_.size()) {
                // The library has nothing for what was sent: it gave up when the connection broke, and says
                // so for ever.
                lost_ = true;
                lost_why_ = one_line(PQerrorMessage(connection));
            } else if (--sent_[answered_].commands == 0) {
                ++answered_;
                if (answered_ == 1 && sent_.front().followed) finish(std::exchange(answered_, 0));
            }
            separated = true;
            continue;
        }
        separated = false;
        const auto status = PQresultStatus(result.get());
        if (status == PGRES_PIPELINE_SYNC) {
            finish(sent_.front().token == 0 ? 1 : std::exchange(answered_, 0));
        } else if (answered_ < sent_.size()) {
            take(sent_[answered_], std::move(result));
        }
    }
}

void Connection::take(Sent& sent, ResultHandle result) {
    const auto status = PQresultStatus(result.get());
    if (sent.failed) return;
    switch (status) {
        case PGRES_PIPELINE_ABORTED: sent.undone = true; return;
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
            if (!is_whole(result.get(), sent.preparing)) {
                lost_ = true;
                lost_why_ = one_line(PQerrorMessage(connection_.get()));
            } else if (sent.preparing) {
                sent.preparing = false;
            } else {
                sent.result = std::move(result);
            }
            return;
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH:
            // The query asks for a transfer that no lookup can serve; only a new connection gets out of it.
            sent.failed = true;
            lost_ = true;
            lost_why_ = copy_command;
            sent.result = std::move(result);
            return;
        default: break;
    }
    const auto sqlstate = field(result.get(), PG_DIAG_SQLSTATE);
    if (status != PGRES_EMPTY_QUERY && classify(sqlstate, Phase::querying) == FailureClass::lost) {
        lost_ = true;
        lost_why_ = one_line(PQresultErrorMessage(result.get()));
        return;
    }
    sent.failed = true;
    sent.result = std::move(result);
}

// The first `count` that were sent: their results are there.
void Connection::finish(std::size_t count) {
    for (; count > 0 && !closed_; --count) {
        const Sent sent = std::move(sent_.front());
        sent_.pop_front();
        if (sent.path == Path::text && PQpipelineStatus(connection_.get()) == PQ_PIPELINE_OFF &&
            PQenterPipelineMode(connection_.get()) != 1) {
            lost_ = true;
            lost_why_ = PQerrorMessage(connection_.get());
        }
        if (sent.token == 0) {
            observer_.connected(Clock::now() - probed_at_);
            return;
        }
        report(sent);
    }
    if (closed_ || lost_ || !sent_.empty()) return;
    // What such a statement has set or begun would change the answers of other tables.
    const auto transaction = PQtransactionStatus(connection_.get());
    const bool in_transaction = transaction == PQTRANS_INTRANS || transaction == PQTRANS_INERROR;
    if (in_transaction || preparations_ >= most_preparations) {
        lost_ = true;
        lost_why_ = "the connection is renewed";
    }
}

void Connection::report(const Sent& sent) {
    if (sent.undone && !sent.failed) {
        observer_.finished(sent.token, {nullptr, {FailureClass::resend, "a query before it failed"}});
        return;
    }
    if (sent.failed) {
        sent.statement->failed(driver_.loop().now());
        observer_.finished(sent.token, error_outcome(sent));
        return;
    }
    if (!sent.result) {
        observer_.finished(sent.token, {nullptr, {FailureClass::query, "no result"}});
        return;
    }
    if (sent.path == Path::text) sent.statement->text_worked();
    const ResultRows rows(sent.result.get());
    observer_.finished(sent.token, {&rows, {}});
}

pool::Outcome Connection::error_outcome(const Sent& sent) {
    const auto* result = sent.result.get();
    if (PQresultStatus(result) == PGRES_EMPTY_QUERY)
        return {nullptr, {FailureClass::query, "the query is empty"}};
    if (PQresultStatus(result) != PGRES_FATAL_ERROR) {
        if (sent.path == Path::text) sent.statement->text_failed();
        return {nullptr, {FailureClass::query, copy_command}};
    }
    const auto sqlstate = field(result, PG_DIAG_SQLSTATE);
    auto text = field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (text.empty()) text = PQresultErrorMessage(result);
    text = one_line(text);
    if (!sqlstate.empty()) text += fmt::format(" (SQLSTATE {})", sqlstate);

    const auto kind = classify(sqlstate, Phase::querying);
    const auto& statement = *sent.statement;
    if (sent.path == Path::text) {
        if (kind != FailureClass::conflict) statement.text_failed();
        return {nullptr, {kind, text}};
    }
    const auto known = prepared_.find(statement.server_name());
    const bool current = known != prepared_.end() && known->second.number == sent.preparation;
    if (sent.path == Path::prepared && sent.preparing && current) prepared_.erase(known);
    const auto source = field(result, PG_DIAG_SOURCE_FUNCTION);
    switch (remedy(sqlstate, source, sent.preparing || sent.path == Path::bound)) {
        case Remedy::none: break;
        case Remedy::prepare_again:
            // The name stays with the old plan; only a new connection does not know it.
            lost_ = true;
            lost_why_ = text;
            return {nullptr, {FailureClass::resend, text}};
        case Remedy::without_prepare:
            // Behind a preparation that failed the statement is missing, too: that is no pooler's doing.
            if (current) driver_.pooler_noticed(text);
            return {nullptr, {FailureClass::resend, text}};
        case Remedy::as_text:
            // Most such errors are errors of the query, and the text path will say the same.
            statement.try_as_text();
            return {nullptr, {FailureClass::resend, text}};
    }
    return {nullptr, {kind, text}};
}

void Connection::finished_later(pool::QueryToken token, Failure failure) {
    driver_.loop().defer([this, alive = std::weak_ptr<bool>(alive_), token, failure = std::move(failure)] {
        if (alive.lock() && !closed_) observer_.finished(token, {nullptr, failure});
    });
}

void Connection::broken(const std::string& why) {
    if (closed_) return;
    closed_ = true;
    watch_.reset();
    // Whichever of them it was that ended the server's process will be the only one the next time.
    if (!sent_.empty() && sent_.front().statement) sent_.front().statement->failed(driver_.loop().now());
    const auto text = one_line(why);
    observer_.closed({FailureClass::lost, text.empty() ? "the server closed the connection" : text});
}

void Connection::closed_later(Failure failure) {
    driver_.loop().defer([this, alive = std::weak_ptr<bool>(alive_), failure = std::move(failure)] {
        if (alive.lock()) broken(failure.message);
    });
}

}  // namespace proxyd::pgsql
