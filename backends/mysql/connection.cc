#include "backends/mysql/connection.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/event/receive_buffer.h"
#include "backends/mysql/context.h"
#include "backends/mysql/error_class.h"
#include "backends/mysql/session_setup.h"
#include "backends/report/log.h"
#include "backends/report/redact.h"

namespace proxyd::mysql {
namespace {

using pool::Failure;
using pool::FailureClass;

// The library keeps the memory of the largest packet. A connection with a larger packet than this is
// replaced.
constexpr unsigned long kept_packet = 1048576;

// A surplus answer that comes when a query has been sent is taken for the answer to it, and the true answer
// for that to the next query. So a ping is sent now and then: the answer to a query cannot be an answer to a
// ping.
constexpr std::chrono::seconds check_interval{1};

// A statement that fails where the server has an init_connect. DO would not fail.
constexpr const char* no_init_connect = "SET @proxyd = (SELECT 1 UNION SELECT IF(@@init_connect = '', 1, 2))";
constexpr unsigned more_than_one_row = 1242;

// Whether the text consists of characters that stand for themselves in a literal, in every character set and
// mode of the server. Most keys do, and the library looks at each character through its character set.
bool needs_no_quoting(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '@' ||
               c == '.' || c == '-' || c == '_' || c == '+' || c == '=';
    });
}

}  // namespace

Connection::Connection(Context& context, const std::string& host, pool::ConnectionObserver& observer)
    : context_(context),
      host_(host),
      observer_(observer),
      watch_(context.loop(), [this](int ready) { woken(ready); }) {}

Connection::~Connection() {
    watch_.stop();
    // Ends a call under way now: it reads and writes members declared below the handle.
    handle_.reset();
}

void Connection::connect() {
    connector_ = std::make_unique<Connector>(
        context_, host_,
        [this](std::unique_ptr<Handle> handle, Duration round_trip) {
            established(std::move(handle), round_trip);
        },
        [this](const Failure& failure) {
            step_ = Step::closed;
            observer_.closed(failure);
        });
    connector_->start();
}

bool Connection::should_recycle() const {
    if (!handle_ || handle_->packet_memory() > kept_packet) return true;
    // Where the server or a setting of its own turns autocommit off, written data is not committed yet.
    return statement_ && !statement_->repeatable() && !statement_->leaves_state() &&
           (handle_->get()->server_status & SERVER_STATUS_IN_TRANS) != 0;
}

void Connection::established(std::unique_ptr<Handle> handle, Duration round_trip) {
    name_ = connector_->name();
    time_limit_ = connector_->time_limit();
    connector_.reset();
    handle_ = std::move(handle);
    checked_at_ = context_.loop().now();
    bound_one_read(handle_->socket());
    watch_.wait_for_server(*handle_);
    observer_.connected(round_trip);
}

void Connection::send(pool::QueryToken token, const pool::Query& query) {
    auto* mysql = handle_->get();
    const auto quote = [mysql](std::string_view value, std::string& out) {
        if (needs_no_quoting(value)) {
            out += value;
            return true;
        }
        const auto start = out.size();
        out.resize(start + 2 * value.size() + 1);
        const auto length = mysql_real_escape_string(mysql, out.data() + start, value.data(), value.size());
        if (length == static_cast<unsigned long>(-1)) return false;
        out.resize(start + length);
        return true;
    };
    statement_ = pool::statement_of<Statement>(query);
    token_ = token;
    answer_limit_ = query.answer_limit;
    result_sets_ = 0;
    // The pool gets no report inside its own call.
    if (!sql::write_query(statement_->query(), query.key->parts(), quote, text_)) {
        later([this] { fail("the key cannot be quoted"); });
        return;
    }
    if (const auto why = handle_->out_of_step()) {
        later([this, why = std::string(*why)] { broken(Failure{FailureClass::resend, why}); });
        return;
    }
    const bool check = context_.loop().now() - checked_at_ >= check_interval;
    const int waits = check ? begin_check() : begin_send();
    watch_.drop_if_closed(*handle_);
    if (waits != 0) {
        watch_.wait_for(*handle_, waits);
    } else if (!check && call_result_ == 0) {
        step_ = Step::sent;
    } else {
        later([this] {
            if (!handle_->is_busy()) drive(0);
        });
    }
}

int Connection::begin_check() {
    step_ = Step::checking;
    auto* mysql = handle_->get();
    return handle_->start([&] { return mysql_ping_start(&call_result_, mysql); },
                          [this, mysql](int ready) { return mysql_ping_cont(&call_result_, mysql, ready); });
}

int Connection::begin_send() {
    step_ = Step::sending;
    begun_ = context_.loop().now();
    handle_->begin_exchange(text_.size(), answer_limit_);
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_send_query_start(&call_result_, mysql, text_.data(), text_.size()); },
        [this, mysql](int ready) { return mysql_send_query_cont(&call_result_, mysql, ready); });
}

// Without autocommit the server begins a transaction with the first table that is read.
bool Connection::holds_transaction() const {
    return handle_ && (handle_->get()->server_status & SERVER_STATUS_IN_TRANS) != 0;
}

// A proxy in between that does not know the command returns an error, and the connection ends.
bool Connection::reset() {
    if (step_ != Step::idle || handle_->out_of_step()) return false;
    const bool all = statement_ && statement_->leaves_state();
    // A reset does not run the commands of an option file again either.
    if (all && (context_.renews_sessions() || handle_->get()->options.init_command != nullptr)) return false;
    const int waits = begin_reset(!all ? Step::rollback : begins_plainly_ ? Step::resetting : Step::asking);
    watch_.drop_if_closed(*handle_);
    if (waits != 0) {
        watch_.wait_for(*handle_, waits);
    } else {
        later([this] {
            if (!handle_->is_busy()) drive(0);
        });
    }
    return true;
}

int Connection::begin_reset(Step step) {
    step_ = step;
    auto* mysql = handle_->get();
    const auto& cluster = context_.cluster();
    switch (step) {
        case Step::database:
            return handle_->start(
                [&] { return mysql_select_db_start(&call_result_, mysql, cluster.dbname.c_str()); },
                [this, mysql](int ready) { return mysql_select_db_cont(&call_result_, mysql, ready); });
        case Step::charset:
            return handle_->start(
                [&] { return mysql_set_character_set_start(&call_result_, mysql, cluster.charset.c_str()); },
                [this, mysql](int ready) {
                    return mysql_set_character_set_cont(&call_result_, mysql, ready);
                });
        case Step::time_limit: text_ = time_limit_statement(*handle_, time_limit_); return begin_text();
        case Step::asking: text_ = no_init_connect; return begin_text();
        case Step::rollback:
            begun_ = context_.loop().now();
            text_ = "ROLLBACK";
            return begin_text();
        default:
            begun_ = context_.loop().now();
            return handle_->start([&] { return mysql_reset_connection_start(&call_result_, mysql); },
                                  [this, mysql](int ready) {
                                      return mysql_reset_connection_cont(&call_result_, mysql, ready);
                                  });
    }
}

int Connection::begin_text() {
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_real_query_start(&call_result_, mysql, text_.data(), text_.size()); },
        [this, mysql](int ready) { return mysql_real_query_cont(&call_result_, mysql, ready); });
}

std::optional<int> Connection::reset_step_done() {
    if (step_ == Step::asking && call_result_ != 0 && handle_->error_number() == more_than_one_row) {
        context_.has_init_connect();
        broken("the server's init_connect is not run by a reset");
        return std::nullopt;
    }
    // A server (or a proxy in between) may not know the limit.
    const bool needed = step_ != Step::time_limit || is_of_library(handle_->error_number());
    if (call_result_ != 0 && needed) {
        const auto why = handle_->error_text();
        const auto label = redact_host(host_);
        log().warning(fmt::format("mysql {} reset", label),
                      fmt::format("mysql host {}: a session cannot be reset: {} -- connections are renewed "
                                  "after queries that may leave something behind",
                                  label, why));
        broken(why);
        return std::nullopt;
    }
    if (handle_->has_surplus()) {
        broken("the server sent what was not asked for");
        return std::nullopt;
    }
    const auto now = context_.loop().now();
    switch (step_) {
        case Step::asking: begins_plainly_ = true; return begin_reset(Step::resetting);
        case Step::resetting: return begin_reset(Step::database);
        case Step::database: return begin_reset(Step::charset);
        case Step::charset:
            if (!context_.setup_memory().omits(host_, OptionalStep::time_limit, now))
                return begin_reset(Step::time_limit);
            break;
        default: break;
    }
    step_ = Step::idle;
    observer_.connected(now - begun_);
    return std::nullopt;
}

// Continues as far as the library can without waiting.
void Connection::drive(std::optional<int> waits) {
    taken_ = 0;
    while (waits && *waits == 0 && step_ != Step::closed) waits = step_done();
    if (step_ == Step::closed) return;
    watch_.drop_if_closed(*handle_);
    if (waits) {
        watch_.wait_for(*handle_, *waits);
    } else if (step_ == Step::idle || step_ == Step::sent) {
        watch_.wait_for_server(*handle_);
    }
}

std::optional<int> Connection::step_done() {
    switch (step_) {
        case Step::checking: return checked();
        case Step::sending: return sent();
        case Step::reading:
            if (read_result_ == 0) return answer_begun();
            query_done(true);
            return std::nullopt;
        case Step::next_result:
            // 0: there is an answer to read; -1: no answer is left
            if (call_result_ == 0) return answer_begun();
            query_done(call_result_ > 0);
            return std::nullopt;
        case Step::fetching: return fetched();
        case Step::rollback:
        case Step::asking:
        case Step::resetting:
        case Step::database:
        case Step::charset:
        case Step::time_limit: return reset_step_done();
        case Step::idle:
        case Step::sent:
        case Step::paused:
        case Step::closed: return std::nullopt;
    }
    return std::nullopt;
}

std::optional<int> Connection::checked() {
    if (call_result_ != 0) {
        broken(Failure{FailureClass::resend, failure_of(*handle_, Phase::querying).message});
    } else if (!handle_->said_ok() || handle_->has_surplus()) {
        broken(Failure{FailureClass::resend, "the server sent what was not asked for"});
    } else {
        checked_at_ = context_.loop().now();
        return begin_send();
    }
    return std::nullopt;
}

std::optional<int> Connection::sent() {
    if (call_result_ == 0) {
        step_ = Step::sent;
    } else {
        // The library does not always give a reason.
        const auto why = handle_->error_text();
        broken(why.empty() ? "the query could not be sent" : why);
    }
    return std::nullopt;
}

void Connection::woken(int ready) {
    if (step_ == Step::closed || !handle_) return;
    switch (step_) {
        case Step::idle:
            if (const auto why = handle_->out_of_step()) broken(std::string(*why));
            return;
        case Step::sent: drive(begin_read()); return;
        case Step::paused: return;
        default: drive(handle_->go_on(ready)); return;
    }
}

void Connection::broken(const std::string& why) {
    broken(Failure{FailureClass::lost, why});
}

void Connection::broken(const Failure& why) {
    if (step_ == Step::closed) return;
    step_ = Step::closed;
    watch_.stop();
    observer_.closed(why);
}

void Connection::later(std::function<void()> work) {
    context_.loop().defer([this, alive = lifetime_.watch(), work = std::move(work)] {
        if (alive && step_ != Step::closed) work();
    });
}

}  // namespace proxyd::mysql
