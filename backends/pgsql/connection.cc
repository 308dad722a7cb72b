// The life of a connection, and the sending of queries.
#include "backends/pgsql/connection.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>

#include "backends/event/receive_buffer.h"
#include "backends/pgsql/arrival.h"
#include "backends/pgsql/context.h"
#include "backends/pgsql/error_class.h"
#include "backends/pgsql/result.h"
#include "backends/pool/large_memory.h"
#include "backends/report/log.h"
#include "backends/report/secrets.h"

namespace proxyd::pgsql {
namespace {

using pool::Failure;
using pool::FailureClass;

// A prepared statement keeps the types of its preparation, even after an ALTER. So it is prepared anew after
// this time.
constexpr std::chrono::seconds preparation_age{5};

// Limit of the memory prepared for an answer whose size is not known yet.
constexpr std::size_t most_expected = std::size_t{32} << 20;

// Limit of the queries of one table that share a sync.
constexpr int most_sharing = 8;

}  // namespace

Connection::Connection(Context& context, const std::string& host, pool::ConnectionObserver& observer)
    : context_(context), host_(host), observer_(observer) {}

Connection::~Connection() {
    watch_.reset();
}

void Connection::connect() {
    connector_ = std::make_unique<Connector>(
        context_, host_, [this](ConnectionHandle handle) { established(std::move(handle)); },
        [this](const Failure& failure) {
            state_ = State::closed;
            observer_.closed(failure);
        });
    connector_->start();
}

void Connection::established(ConnectionHandle handle) {
    connection_ = std::move(handle);
    auto* connection = connection_.get();
    PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
    PQsetNoticeReceiver(connection, notice, this);
    watched_fd_ = PQsocket(connection);
    bound_one_read(watched_fd_);
    watch_ = context_.loop().watch(watched_fd_, [this](Ready what) { ready(what); });
    watch_->want(true, false);
    if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1 ||
        !send_own(nullptr, true)) {
        broken(PQerrorMessage(connection));
        return;
    }
    flush();
}

// The command has a sync of its own.
bool Connection::send_own(const char* command, bool makes_ready) {
    auto* connection = connection_.get();
    if (command != nullptr &&
        PQsendQueryParams(connection, command, 0, nullptr, nullptr, nullptr, nullptr, 0) != 1)
        return false;
    if (PQpipelineSync(connection) != 1) return false;
    probed_at_ = Clock::now();
    Sent sent;
    sent.command = command;
    sent.makes_ready = makes_ready;
    sent.sync = Sync::own;
    sent_.push_back(std::move(sent));
    return true;
}

// It is not known how a pooler in between handles such commands, and in which session.
bool Connection::reset() {
    if (state_ != State::open || !sent_.empty() || finished_.size() > 1 || context_.behind_pooler())
        return false;
    if (something_waits()) return false;
    const bool in_transaction = PQtransactionStatus(connection_.get()) != PQTRANS_IDLE;
    if (in_transaction && !send_own("ROLLBACK", false)) return false;
    if (!send_own("DISCARD ALL", true)) return false;
    prepared_.clear();
    preparations_ = 0;
    flush();
    return true;
}

void Connection::send(pool::QueryToken token, const pool::Query& query) {
    if (sent_.empty() && something_waits()) {
        held_back_ = true;
        context_.loop().defer([this, alive = lifetime_.watch()] {
            if (alive) ready({true, false});
        });
        return;
    }
    Sent sent;
    sent.token = token;
    sent.answer_limit = query.answer_limit;
    sent.statement = pool::statement_of<Statement>(query);
    sent.path = sent.statement->path();
    if (sent.path == Path::prepared && context_.behind_pooler()) sent.path = Path::bound;
    if (sent.path != Path::text && sent.statement->bound().backslash) {
        const char* conforming = PQparameterStatus(connection_.get(), "standard_conforming_strings");
        if (conforming == nullptr || std::string_view(conforming) != "on") {
            // This server reads backslashes in the template's literals as escapes.
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
    // No answer is reported before the end of its sync, which shows whether an answer is missing.
    if (unsynced_ > 0) sent_.back().sync = Sync::of_next;
    if (!send_bound(query, sent)) {
        drop_dead_watch();
        closed_later({FailureClass::lost, one_line(PQerrorMessage(connection_.get()))});
        return;
    }
    const bool shares = query.may_batch && sent.path == Path::prepared && !sent.preparing &&
                        sent.statement->may_share_sync(context_.loop().now());
    sent_.push_back(std::move(sent));
    ++unsynced_;
    if (!shares || unsynced_ == most_sharing) {
        sync();
    } else if (unsynced_ == 1) {
        context_.loop().defer([this, alive = lifetime_.watch()] {
            if (alive && state_ != State::closed && unsynced_ > 0) sync();
        });
    }
}

std::size_t Connection::batch_size() const {
    std::size_t held = 0;
    while (held < sent_.size() && sent_[held].sync == Sync::of_next) ++held;
    return held + 1;
}

// Ends the server's implicit transaction: after the first error in it the server skips the rest.
void Connection::sync() {
    unsynced_ = 0;
    sent_.back().sync = Sync::own;
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
    const auto count = static_cast<int>(bound.parameters.size());
    values_.resize(bound.parameters.size());
    value_pointers_.clear();
    for (std::size_t i = 0; i < bound.parameters.size(); ++i) {
        sql::write_parameter_value(bound.parameters[i], query.key->parts(), values_[i]);
        value_pointers_.push_back(values_[i].c_str());
    }
    if (sent.path == Path::bound) {
        return PQsendQueryParams(connection, bound.text.c_str(), count, nullptr, value_pointers_.data(),
                                 nullptr, nullptr, 0) == 1;
    }
    const auto& name = statement.server_name();
    auto known = prepared_.find(name);
    const auto now = context_.loop().now();
    if (known == prepared_.end() || now - known->second.at >= preparation_age) {
        if (unsynced_ > 0) sync();  // an earlier failure must not prevent the preparation
        ++preparations_;
        Preparation fresh;
        fresh.statement = sent.statement;
        fresh.number = preparations_;
        fresh.name = fmt::format("{}_{}", name, preparations_);
        fresh.at = now;
        *fresh.shape = statement.shape();
        if (PQsendPrepare(connection, fresh.name.c_str(), bound.text.c_str(), 0, nullptr) != 1 ||
            PQsendDescribePrepared(connection, fresh.name.c_str()) != 1) {
            return false;
        }
        std::erase_if(prepared_, [](const auto& item) { return item.second.statement.expired(); });
        known = prepared_.insert_or_assign(name, fresh).first;
        sent.preparing = true;
        sent.step = Step::prepare;
    }
    sent.preparation = known->second.number;
    sent.shape = known->second.shape;
    if (statement.repeatable()) sent.format = next_format(*sent.shape);
    return PQsendQueryPrepared(connection, known->second.name.c_str(), count, value_pointers_.data(), nullptr,
                               nullptr, sent.format) == 1;
}

// The answers of one statement look alike, except for the format of their columns. If text is the same in
// both formats, neighbours are asked in different formats, so that one answer is not taken for the other.
int Connection::next_format(const Shape& shape) {
    if (!shape.textual) return 0;
    format_ = 1 - format_;
    return format_;
}

// The pool sends such a query only when nothing else is under way, and pipelines nothing behind it.
void Connection::send_text(const pool::Query& query, Sent sent) {
    auto* connection = connection_.get();
    const auto quote = [connection](std::string_view value, std::string& out) {
        const auto start = out.size();
        out.resize(start + 2 * value.size() + 1);
        int error = 0;
        const auto length =
            PQescapeStringConn(connection, out.data() + start, value.data(), value.size(), &error);
        out.resize(start + length);
        return error == 0;
    };
    const auto text = sql::expand_query(sent.statement->query(), query.key->parts(), quote);
    if (!text) {
        finished_later(sent.token, {FailureClass::query,
                                    "the key cannot be quoted: " + one_line(PQerrorMessage(connection))});
        return;
    }
    // Only the simple protocol takes several statements at once.
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
    // A failure to write shows as a failure to read, with the server's last message before it.
    watch_->want(true, left == 1);
}

// libpq closes its socket when it gives up. The number may soon belong to another socket, of a client or of
// another connection.
void Connection::drop_dead_watch() {
    if (PQsocket(connection_.get()) != watched_fd_) watch_.reset();
}

void Connection::ready(Ready what) {
    if (state_ == State::closed) return;
    if (what.write) flush();
    if (arrival_ && arrival_->bytes() > large_answer && !context_.loop().take_heavy_turn()) return;
    const bool asked = !sent_.empty();
    bool ended = what.read && !consume();
    drop_dead_watch();
    // Read before the library is asked for more: it would then find that it has no socket.
    const std::string why = ended ? PQerrorMessage(connection_.get()) : "";
    const auto results = results_;
    read_results();
    if (state_ == State::closed) return;
    if (!asked && what.read && !ended && state_ == State::open)
        out_of_step("bytes came while nothing was asked");
    ended = ended || state_ != State::open || PQstatus(connection_.get()) == CONNECTION_BAD;
    if (what.read && results_ == results && !arrival_ && !ended && !sent_.empty())
        arrival_.emplace(watched_fd_);
    if (!ended && arrival_ && answered_ < sent_.size() && arrival_->bytes() > sent_[answered_].answer_limit) {
        give_up_answer(sent_[answered_]);
        return;
    }
    if (ended && state_ != State::in_doubt && answered_ < sent_.size() &&
        sent_[answered_].answer == Answer::failed && sent_[answered_].token != 0) {
        const Sent culprit = std::move(sent_[answered_]);
        sent_.erase(answered_);
        report(culprit);
    }
    if (state_ == State::closed || !ended) return;
    if (state_ != State::open) {
        broken(why_lost_);
    } else {
        broken(why.empty() ? PQerrorMessage(connection_.get()) : why);
    }
}

bool Connection::consume() {
    auto* connection = connection_.get();
    if (!arrival_) return PQconsumeInput(connection) == 1;
    const bool was_large = arrival_->bytes() > large_answer;
    arrival_->before_read(watched_fd_);
    const bool readable = PQconsumeInput(connection) == 1;
    if (PQsocket(connection) == watched_fd_) arrival_->after_read(watched_fd_);
    // The library copies the message as a whole, and makes the value from that copy.
    if (!was_large && arrival_->bytes() > large_answer && answered_ < sent_.size())
        expect_large_answer(2 * std::min(sent_[answered_].answer_limit, most_expected));
    return readable;
}

void Connection::give_up_answer(const Sent& sent) {
    state_ = State::closed;
    watch_.reset();
    observer_.finished(sent.token, {nullptr, pool::too_large()});
}

// Called before a query is sent: waiting data cannot be its answer. A byte, or the end of the connection.
bool Connection::something_waits() const {
    char byte = 0;
    return watch_ && ::recv(watched_fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

void Connection::finished_later(pool::QueryToken token, Failure failure) {
    context_.loop().defer([this, alive = lifetime_.watch(), token, failure = std::move(failure)] {
        if (alive && state_ != State::closed) observer_.finished(token, {nullptr, failure});
    });
}

void Connection::broken(const std::string& why) {
    if (state_ == State::closed) return;
    const bool in_doubt = std::exchange(state_, State::closed) == State::in_doubt;
    watch_.reset();
    // One of these queries ended the server's process: the next time each is alone in its sync.
    if (!in_doubt && !sent_.empty() && sent_.front().statement)
        sent_.front().statement->failed(context_.loop().now());
    const auto text = one_line(why);
    // If lookups are asked again, the pool logs the reason.
    if (in_doubt && sent_.empty() && finished_.empty() && !held_back_) {
        const auto label = host_info(host_).label;
        log().warning(fmt::format("pgsql {} out of step", label),
                      fmt::format("database {}: host {}: {}",
                                  cluster::shown_dbname(context_.cluster().dbname), label, text));
    }
    const bool unsent = held_back_ && sent_.empty();
    observer_.closed({unsent ? FailureClass::resend : FailureClass::lost,
                      text.empty() ? "the server closed the connection" : text});
}

void Connection::closed_later(Failure failure) {
    context_.loop().defer([this, alive = lifetime_.watch(), failure = std::move(failure)] {
        if (alive) broken(failure.message);
    });
}

}  // namespace proxyd::pgsql
