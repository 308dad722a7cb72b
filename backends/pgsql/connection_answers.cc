// What a connection gets: which result belongs to which query, and what it means.
#include <utility>

#include <fmt/format.h>

#include "backends/pgsql/connection.h"
#include "backends/pgsql/driver.h"
#include "backends/pgsql/error_class.h"
#include "backends/pgsql/result.h"

namespace proxyd::pgsql {
namespace {

using pool::FailureClass;

constexpr const char* copy_command = "the query is a COPY command";

// A connection with so many is renewed: the server keeps them all.
constexpr int most_preparations = 200;

// A query's answer ends with the name of the command, that of a preparation describes no rows. When the
// connection breaks, libpq 15 forgets what was sent and takes the description of rows that are still to come
// for an answer without rows.
bool is_whole(const PGresult* result, bool of_preparation) {
    return of_preparation ? PQnfields(result) == 0 : *PQcmdStatus(const_cast<PGresult*>(result)) != '\0';
}

}  // namespace

bool Connection::worn() const {
    return preparations_ >= most_preparations;
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
                if (sent_[answered_++].asked_for) finish(std::exchange(answered_, 0));
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
    if (in_transaction) {
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

}  // namespace proxyd::pgsql
