// Assigns results to queries, and interprets them.
#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "backends/pgsql/connection.h"
#include "backends/pgsql/context.h"
#include "backends/pgsql/error_class.h"
#include "backends/pgsql/result.h"
#include "backends/report/log.h"
#include "backends/report/secrets.h"

namespace proxyd::pgsql {
namespace {

using pool::FailureClass;

constexpr const char* copy_command = "the query is a COPY command";

// A connection with this many preparations is renewed: the server keeps all of them.
constexpr int most_preparations = 200;

// libpq's buffer grows to the longest row and never shrinks. After a longer row than this the connection is
// renewed.
constexpr std::size_t kept_row = std::size_t{1} << 20;

// How a result differs from the one expected for its step; nullptr: it fits.
const char* misfit_of_preparation(const PGresult* result) {
    const bool fits = PQresultStatus(result) == PGRES_COMMAND_OK && PQnfields(result) == 0 &&
                      PQnparams(result) == 0 && *PQcmdStatus(const_cast<PGresult*>(result)) == '\0';
    return fits ? nullptr : "another message stands in the place of the end of a preparation";
}

const char* misfit_of_description(const PGresult* result) {
    const bool fits =
        PQresultStatus(result) == PGRES_COMMAND_OK && *PQcmdStatus(const_cast<PGresult*>(result)) == '\0';
    return fits ? nullptr : "another message stands in the place of a description";
}

// Some servers do not count. A rule may replace a statement by one that gives other rows than the count.
bool counts_all(const PGresult* result) {
    constexpr std::string_view command = "SELECT";
    std::string_view tag = PQcmdStatus(const_cast<PGresult*>(result));
    if (!tag.starts_with(command) || tag.size() == command.size()) return true;
    tag.remove_prefix(command.size() + 1);
    int count = 0;
    const auto [end, problem] = std::from_chars(tag.data(), tag.data() + tag.size(), count);
    const bool counts = problem == std::errc() && end == tag.data() + tag.size();
    return !counts || count == PQntuples(result);
}

// `shape` and `format` are those of the requested columns.
const char* misfit_of_answer(const PGresult* result, bool reads_only, const Shape* shape, int format) {
    // The end of an answer names the command. When the connection breaks, libpq 15 forgets the sent queries:
    // it takes a row description whose rows are still to come for an answer without rows.
    const std::string_view tag = PQcmdStatus(const_cast<PGresult*>(result));
    if (tag.empty()) return "an answer has no end";
    const bool rows = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (!rows && reads_only && tag.starts_with("SELECT")) return "an answer does not describe its rows";
    if (rows && !counts_all(result)) return "an answer has not as many rows as its end counts";
    for (int i = 0; i < PQnfields(result); ++i) {
        if (PQfformat(result, i) != format) return "an answer is in a format that was not asked for";
    }
    if (shape != nullptr && shape->columns > 0 && !shape->same(shape_of(result)))
        return "an answer has other columns than its query";
    return nullptr;
}

struct AnswerSize {
    std::size_t all = 0;  // as pool::answer_size() counts
    std::size_t largest_row = 0;
};

AnswerSize measure(const PGresult* result) {
    const int rows = PQntuples(result);
    const int columns = PQnfields(result);
    AnswerSize size;
    for (int row = 0; row < rows; ++row) {
        std::size_t bytes = 0;
        for (int column = 0; column < columns; ++column)
            bytes += static_cast<std::size_t>(PQgetlength(result, row, column));
        size.largest_row = std::max(size.largest_row, bytes);
        size.all += pool::answer_size(1, static_cast<std::size_t>(columns), bytes);
    }
    return size;
}

// The server sends this before it closes the connection, and sends nothing more.
bool ends_session(const PGresult* result) {
    const auto severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity == "FATAL" || severity == "PANIC";
}

// A server that is shut down at once, or has lost a process, sends a warning before it disconnects.
bool ends_server(const PGresult* result) {
    return field(result, PG_DIAG_SQLSTATE).starts_with("57P");
}

}  // namespace

bool Connection::should_recycle() const {
    return preparations_ >= most_preparations || swollen_;
}

// Reports nothing before all received data is read, so that a sign of disorder behind an answer counts for
// that answer, too.
void Connection::read_results() {
    do {
        collect();
    } while (deliver());
}

void Connection::collect() {
    auto* connection = connection_.get();
    bool ended = false;
    // While no answer is expected the library drops all messages, and reports that: see notice().
    while (state_ == State::open && PQisBusy(connection) == 0) {
        if (sent_.empty() || state_ != State::open) return;
        ResultHandle result(PQgetResult(connection));
        if (!result) {
            take_end(ended);
            ended = true;
            continue;
        }
        ended = false;
        ++results_;
        arrival_.reset();
        const bool sync_due = answered_ > 0 && sent_[answered_ - 1].sync == Sync::own;
        if (PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) {
            take_sync();
        } else if (answered_ == sent_.size() || sync_due || sent_[answered_].is_empty()) {
            // A pooler that accepted the login may report only now that its server is away.
            if (ends_session(result.get())) {
                lost(PQresultErrorMessage(result.get()));
            } else {
                lost_or_out_of_step("there is an answer too many");
            }
        } else {
            take(sent_[answered_], std::move(result));
        }
    }
}

// No further result: in a pipeline of this command, otherwise of this query. `again`: no result came since
// the last end.
void Connection::take_end(bool again) {
    auto* connection = connection_.get();
    const bool pipeline = PQpipelineStatus(connection) != PQ_PIPELINE_OFF;
    if (!pipeline && PQstatus(connection) == CONNECTION_BAD) {
        lost(PQerrorMessage(connection));
        return;
    }
    // After a break the library has no more results, and repeats that for ever.
    if (again || answered_ == sent_.size() || !std::exchange(sent_[answered_].step_answered, false)) {
        lost_or_out_of_step("an answer is missing");
        return;
    }
    auto& sent = sent_[answered_];
    if (!pipeline) {
        finish(1);
    } else if (sent.step != Step::run) {
        sent.step = sent.step == Step::prepare ? Step::describe : Step::run;
    } else {
        ++answered_;
    }
}

void Connection::take_sync() {
    if (answered_ == 0 && sent_.front().is_empty()) {
        finish(1);
    } else if (answered_ > 0 && sent_[answered_ - 1].sync == Sync::own) {
        finish(std::exchange(answered_, 0));
    } else {
        lost_or_out_of_step("the server is done with what it has not answered");
    }
}

void Connection::take(Sent& sent, ResultHandle result) {
    const auto status = PQresultStatus(result.get());
    const bool second = std::exchange(sent.step_answered, true);
    // Each of several statements has a result.
    if (second && !(sent.statement && sent.statement->several_statements())) {
        lost_or_out_of_step("a query has two answers");
        return;
    }
    if (sent.answer == Answer::failed) return;
    switch (status) {
        case PGRES_PIPELINE_ABORTED: sent.answer = Answer::unusable; return;
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK: take_success(sent, std::move(result)); return;
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH:
            // The query starts a transfer that no lookup can serve; only a new connection ends it.
            sent.answer = Answer::failed;
            lost(copy_command);
            sent.result = std::move(result);
            return;
        default: break;
    }
    const auto sqlstate = field(result.get(), PG_DIAG_SQLSTATE);
    if (status != PGRES_EMPTY_QUERY && sqlstate.empty()) {
        // A message of the library itself.
        lost_or_out_of_step(PQresultErrorMessage(result.get()));
        return;
    }
    if (status != PGRES_EMPTY_QUERY && classify(sqlstate, Phase::querying) == FailureClass::lost) {
        lost(PQresultErrorMessage(result.get()));
        return;
    }
    if (ends_session(result.get())) lost(PQresultErrorMessage(result.get()));
    sent.answer = Answer::failed;
    sent.result = std::move(result);
}

void Connection::take_success(Sent& sent, ResultHandle result) {
    const char* sign = nullptr;
    switch (sent.step) {
        case Step::prepare: sign = misfit_of_preparation(result.get()); break;
        case Step::describe: sign = misfit_of_description(result.get()); break;
        case Step::run:
            sign = misfit_of_answer(result.get(), sent.statement && sent.statement->repeatable(),
                                    sent.shape.get(), sent.format);
            break;
    }
    if (sign != nullptr) {
        lost_or_out_of_step(sign);
    } else if (sent.step == Step::describe) {
        *sent.shape = shape_of(result.get());
        sent.statement->described(*sent.shape);
        sent.preparing = false;
    } else if (sent.step == Step::run) {
        const auto size = measure(result.get());
        swollen_ = swollen_ || size.largest_row > kept_row;
        if (sent.format != 0 && !sent.shape->textual) {
            // The columns have changed since the format was chosen: the answer is unreadable.
            sent.answer = Answer::unusable;
        } else if (size.all > sent.answer_limit) {
            sent.answer = Answer::too_large;
        } else {
            sent.answer = Answer::complete;
            sent.result = std::move(result);
        }
    }
}

// Also gets the library's own notices, about messages that come while no answer is expected. The library
// drops these messages.
void Connection::notice(void* self, const PGresult* result) {
    auto& connection = *static_cast<Connection*>(self);
    const auto severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const auto text = one_line(field(result, PG_DIAG_MESSAGE_PRIMARY));
    if (field(result, PG_DIAG_SQLSTATE).empty() || severity == "ERROR") {
        connection.out_of_step(text);
    } else if (severity == "FATAL" || severity == "PANIC" || ends_server(result)) {
        connection.lost(text);
    }
}

void Connection::lost(const std::string& why) {
    if (state_ != State::open) return;
    state_ = State::lost;
    why_lost_ = one_line(why);
}

void Connection::out_of_step(const std::string& sign) {
    if (state_ != State::open && state_ != State::lost) return;
    state_ = State::in_doubt;
    why_lost_ = fmt::format("answers do not fit the queries: {} -- the connection is closed", sign);
}

// A connection that breaks leaves signs of disorder, too.
void Connection::lost_or_out_of_step(const std::string& sign) {
    const std::string_view error = PQerrorMessage(connection_.get());
    const bool broke = PQstatus(connection_.get()) == CONNECTION_BAD;
    if (broke && error.find("lost synchronization") == std::string_view::npos) {
        lost(std::string(error));
    } else {
        out_of_step(one_line(sign));
    }
}

// Finishes the first `count` queries of sent_: their results are there.
void Connection::finish(std::size_t count) {
    for (; count > 0; --count) {
        finished_.push_back(std::move(sent_.front()));
        sent_.pop_front();
        if (finished_.back().path == Path::text && PQpipelineStatus(connection_.get()) == PQ_PIPELINE_OFF &&
            PQenterPipelineMode(connection_.get()) != 1) {
            lost(PQerrorMessage(connection_.get()));
        }
    }
}

// Reports the finished queries; false: there were none.
bool Connection::deliver() {
    if (state_ == State::in_doubt || finished_.empty()) return false;
    for (std::size_t i = 0; i < finished_.size() && state_ != State::closed; ++i) {
        const Sent& sent = finished_[i];
        if (sent.token == 0) {
            own_done(sent);
        } else {
            report(sent);
        }
        finished_[i].result.reset();
    }
    finished_.clear();
    if (state_ != State::open || !sent_.empty()) return true;
    // A setting or transaction of such a statement would change the answers of other tables.
    const auto transaction = PQtransactionStatus(connection_.get());
    const bool in_transaction = transaction == PQTRANS_INTRANS || transaction == PQTRANS_INERROR;
    if (in_transaction) lost("the connection is renewed");
    return true;
}

void Connection::own_done(const Sent& sent) {
    if (sent.answer == Answer::failed) {
        lost(PQresultErrorMessage(sent.result.get()));
        const auto label = host_info(host_).label;
        log().warning(
            fmt::format("pgsql {} reset", label),
            fmt::format("database {}: host {}: {}: {} -- connections are renewed after queries that "
                        "may leave something behind",
                        cluster::shown_dbname(context_.cluster().dbname), label, sent.command, why_lost_));
    } else if (sent.makes_ready) {
        observer_.connected(Clock::now() - probed_at_);
    }
}

void Connection::report(const Sent& sent) {
    switch (sent.answer) {
        case Answer::unusable:
            observer_.finished(sent.token, {nullptr, {FailureClass::resend, "a query before it failed"}});
            return;
        case Answer::failed:
            sent.statement->failed(context_.loop().now());
            observer_.finished(sent.token, error_outcome(sent));
            return;
        case Answer::too_large: give_up_answer(sent); return;
        case Answer::outstanding:
        case Answer::complete: break;
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
            // The name keeps the old plan; only a new connection does not know the name.
            if (state_ == State::open) state_ = State::lost;
            why_lost_ = text;
            return {nullptr, {FailureClass::resend, text}};
        case Remedy::without_prepare:
            // After a failed preparation the statement is missing, too: that is not the fault of a pooler.
            if (current) context_.pooler_noticed(text);
            return {nullptr, {FailureClass::resend, text}};
        case Remedy::as_text:
            // Most such errors are errors of the query: the text path will then fail in the same way.
            statement.try_as_text();
            return {nullptr, {FailureClass::resend, text}};
    }
    return {nullptr, {kind, text}};
}

}  // namespace proxyd::pgsql
