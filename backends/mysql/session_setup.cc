#include "backends/mysql/session_setup.h"

#include <utility>

#include <fmt/format.h>

#include "backends/mysql/error_class.h"
#include "backends/report/log.h"
#include "backends/report/redact.h"

namespace proxyd::mysql {

// The limit is below our own deadline, so that a runaway query ends on the server, too.
std::string time_limit_statement(Handle& handle, std::chrono::milliseconds limit) {
    if (mariadb_connection(handle.get()) == 0)
        return fmt::format("SET SESSION max_execution_time={}", limit.count());
    return fmt::format("SET SESSION max_statement_time={:.3f}", static_cast<double>(limit.count()) / 1000);
}

SessionSetup::SessionSetup(Loop& loop, SetupMemory& memory, Handle& handle, Session session,
                           std::function<void()> lost)
    : loop_(loop),
      memory_(memory),
      handle_(handle),
      session_(std::move(session)),
      patience_timer_(loop.make_timer([this, lost = std::move(lost)] {
          (void)lose("not answered");
          lost();
      })) {}

int SessionSetup::begin() {
    state_ = State::charset;
    charset_sent_at_ = Clock::now();
    auto* mysql = handle_.get();
    return handle_.start(
        [&] { return mysql_set_character_set_start(&call_result_, mysql, session_.charset.c_str()); },
        [this, mysql](int ready) { return mysql_set_character_set_cont(&call_result_, mysql, ready); });
}

int SessionSetup::begin_optional(OptionalStep step) {
    state_ = step == OptionalStep::serving ? State::serving : State::time_limit;
    patience_timer_->start(session_.patience + 4 * round_trip_);
    auto* mysql = handle_.get();
    text_ = statement_of(step);
    return handle_.start(
        [&] { return mysql_real_query_start(&call_result_, mysql, text_.data(), text_.size()); },
        [this, mysql](int ready) { return mysql_real_query_cont(&call_result_, mysql, ready); });
}

std::string SessionSetup::statement_of(OptionalStep step) const {
    // A Galera node that is not ready accepts SET, and SELECT without a table, but not this statement.
    if (step == OptionalStep::serving) return "DO 0";
    return time_limit_statement(handle_, session_.time_limit);
}

std::optional<int> SessionSetup::statement_done() {
    if (state_ != State::charset) return optional_step_done();
    if (call_result_ != 0) return fail();
    round_trip_ = Clock::now() - charset_sent_at_;
    return begin_next();
}

std::optional<int> SessionSetup::begin_next() {
    if (state_ == State::charset && wants(OptionalStep::time_limit))
        return begin_optional(OptionalStep::time_limit);
    if (state_ != State::serving && wants(OptionalStep::serving))
        return begin_optional(OptionalStep::serving);
    return succeed();
}

bool SessionSetup::wants(OptionalStep step) const {
    return !memory_.omits(session_.host, step, loop_.now());
}

OptionalStep SessionSetup::optional_step() const {
    return state_ == State::serving ? OptionalStep::serving : OptionalStep::time_limit;
}

std::optional<int> SessionSetup::optional_step_done() {
    patience_timer_->stop();
    const bool failed = call_result_ != 0;
    if (failed && is_of_library(handle_.error_number())) return lose(handle_.error_text());
    if (failed && (is_of_no_use() || is_of_account(handle_.error_number()))) return fail();
    if (!failed && (mysql_field_count(handle_.get()) > 0 || mysql_more_results(handle_.get()) != 0 ||
                    handle_.has_surplus()))
        return lose("answered with what was not asked for");
    // A server (or a proxy in between) that does not know the statement can still serve.
    memory_.answered(session_.host, optional_step());
    return begin_next();
}

std::optional<int> SessionSetup::fail() {
    state_ = State::failed;
    return std::nullopt;
}

// The connection was good until this statement.
std::optional<int> SessionSetup::lose(const std::string& why) {
    memory_.lost(session_.host, optional_step(), why, session_.begun, loop_.now());
    why_lost_ = why;
    state_ = State::lost;
    return std::nullopt;
}

std::optional<int> SessionSetup::succeed() {
    state_ = State::done;
    for (const auto& [step, why] : memory_.served(session_.host, loop_.now())) {
        log().info(
            fmt::format("mysql host {}: connections do not outlive \"{}\" ({}) -- left out for 10 minutes",
                        redact_host(session_.host), statement_of(step), why));
    }
    return std::nullopt;
}

// Whether the connection is useless after the last error.
bool SessionSetup::is_of_no_use() const {
    const auto kind = classify(handle_.error_number(), Phase::querying, {});
    return kind == pool::FailureClass::lost || kind == pool::FailureClass::not_serving;
}

}  // namespace proxyd::mysql
