#include "backends/mysql/connection.h"

#include <utility>

#include <fmt/format.h>

#include "backends/mysql/driver.h"
#include "backends/mysql/error_class.h"

namespace proxyd::mysql {
namespace {

using pool::Failure;
using pool::FailureClass;

class ResultRows final : public pool::Rows {
  public:
    explicit ResultRows(MYSQL_RES* result) : columns_(result != nullptr ? mysql_num_fields(result) : 0) {
        if (result == nullptr) return;
        while (MYSQL_ROW row = mysql_fetch_row(result)) rows_.push_back(row);
    }

    [[nodiscard]] std::size_t rows() const override { return rows_.size(); }
    [[nodiscard]] std::size_t columns() const override { return columns_; }

    // Values end at their first NUL, as the stock server reads them.
    [[nodiscard]] std::optional<std::string_view> cell(std::size_t row, std::size_t column) const override {
        const char* text = rows_[row][column];
        if (text == nullptr) return std::nullopt;
        return std::string_view(text);
    }

  private:
    std::size_t columns_;
    std::vector<MYSQL_ROW> rows_;
};

// The server reads no further query before it has sent an answer, and we read no answer while we send: what
// is unanswered always fits into the buffers of the sockets.
constexpr std::size_t unanswered_limit = 16384;

// The library does not see when an answer too many has come, or one too few. So now and then all that is
// under way is waited for: what is left over then is nobody's answer.
constexpr std::chrono::seconds drain_interval{1};

}  // namespace

Connection::Connection(Driver& driver, const std::string& host, pool::ConnectionObserver& observer)
    : driver_(driver),
      host_(host),
      observer_(observer),
      watch_(driver.loop(), [this](int ready) { woken(ready); }) {}

Connection::~Connection() {
    watch_.stop();
    // A call under way is ended now: it reads and writes the members below the handle.
    handle_.reset();
    const Result unread(stored_);
}

void Connection::connect() {
    connector_ = std::make_unique<Connector>(
        driver_, host_,
        [this](std::unique_ptr<Handle> handle, Duration round_trip) {
            established(std::move(handle), round_trip);
        },
        [this](const Failure& failure) {
            closed_ = true;
            observer_.closed(failure);
        });
    connector_->start();
}

void Connection::established(std::unique_ptr<Handle> handle, Duration round_trip) {
    name_ = connector_->name();
    time_limit_ = connector_->time_limit();
    connector_.reset();
    handle_ = std::move(handle);
    watch_.wait_for_server(*handle_);
    observer_.connected(round_trip);
}

void Connection::send(pool::QueryToken token, const pool::Query& query) {
    auto* mysql = handle_->get();
    const auto quote = [mysql](std::string_view value, std::string& out) {
        const auto start = out.size();
        out.resize(start + 2 * value.size() + 1);
        const auto length = mysql_real_escape_string(mysql, out.data() + start, value.data(), value.size());
        if (length == static_cast<unsigned long>(-1)) return false;
        out.resize(start + length);
        return true;
    };
    auto statement = std::static_pointer_cast<const Statement>(query.statement);
    auto text = table::expand_query(statement->query(), table::KeyParts(query.key), quote);
    if (!text) {
        later([this, token] {
            observer_.finished(token, {nullptr, {FailureClass::query, "the key cannot be quoted"}});
        });
        return;
    }
    waiting_.push_back({token, std::move(statement), std::move(*text)});
    if (step_ != Step::none) return;
    if (const auto waits = send_waiting()) watch_.wait_for(*handle_, *waits);
    watch_.drop_if_closed(*handle_);
}

bool Connection::may_send() const {
    if (waiting_.empty() || send_failed_) return false;
    // Compressed packets share their buffer with what is sent.
    const bool ahead =
        handle_->get()->net.compress == 0 && driver_.loop().now() - drained_at_ < drain_interval;
    return sent_.empty() || (ahead && unanswered_bytes_ + waiting_.front().text.size() <= unanswered_limit);
}

std::optional<int> Connection::send_waiting() {
    while (may_send()) {
        const int waits = begin_send();
        if (waits != 0) return waits;
        step_ = Step::none;
        if (call_result_ != 0) {
            // The pool must not hear of it inside its own call.
            send_failed_ = true;
            later([this, why = handle_->error_text()] { broken(why); });
        }
    }
    return std::nullopt;
}

int Connection::begin_send() {
    step_ = Step::sending;
    if (sent_.empty()) drained_at_ = driver_.loop().now();
    sent_.push_back(std::move(waiting_.front()));
    sent_.back().begun = driver_.loop().now();
    waiting_.pop_front();
    auto* mysql = handle_->get();
    const auto& text = sent_.back().text;
    unanswered_bytes_ += text.size();
    return handle_->start(
        [&] { return mysql_send_query_start(&call_result_, mysql, text.data(), text.size()); },
        [this, mysql](int ready) { return mysql_send_query_cont(&call_result_, mysql, ready); });
}

int Connection::begin_read() {
    step_ = Step::reading;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_read_query_result_start(&read_result_, mysql); },
        [this, mysql](int ready) { return mysql_read_query_result_cont(&read_result_, mysql, ready); });
}

int Connection::begin_store() {
    step_ = Step::storing;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_store_result_start(&stored_, mysql); },
        [this, mysql](int ready) { return mysql_store_result_cont(&stored_, mysql, ready); });
}

int Connection::begin_next_result() {
    step_ = Step::next_result;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_next_result_start(&call_result_, mysql); },
        [this, mysql](int ready) { return mysql_next_result_cont(&call_result_, mysql, ready); });
}

// Goes on as far as the library can without waiting.
void Connection::drive(std::optional<int> waits) {
    while (waits && *waits == 0 && !closed_) waits = step_done();
    if (closed_) return;
    watch_.drop_if_closed(*handle_);
    if (waits) {
        watch_.wait_for(*handle_, *waits);
    } else if (step_ == Step::none && !send_failed_) {
        watch_.wait_for_server(*handle_);
    }
}

std::optional<int> Connection::step_done() {
    auto* mysql = handle_->get();
    switch (step_) {
        case Step::sending:
            step_ = Step::none;
            if (call_result_ == 0) return next_step();
            broken(handle_->error_text());
            return std::nullopt;
        case Step::reading:
            if (read_result_ != 0) return query_done(true);
            if (mysql_field_count(mysql) > 0) return begin_store();
            if (mysql_more_results(mysql) != 0) return begin_next_result();
            return query_done(false);
        case Step::next_result:
            // 0: there is a result to be read; -1: there was none any more
            if (call_result_ > 0) return query_done(true);
            if (call_result_ == 0 && mysql_field_count(mysql) > 0) return begin_store();
            if (call_result_ == 0 && mysql_more_results(mysql) != 0) return begin_next_result();
            return query_done(false);
        case Step::storing: return stored();
        case Step::none: return std::nullopt;
    }
    return std::nullopt;
}

std::optional<int> Connection::stored() {
    Result result(std::exchange(stored_, nullptr));
    if (!result) return query_done(true);
    several_results_ = several_results_ || result_;
    result_ = std::move(result);
    if (mysql_more_results(handle_->get()) != 0) return begin_next_result();
    return query_done(false);
}

std::optional<int> Connection::next_step() {
    if (const auto waits = send_waiting()) return waits;
    if (step_ == Step::none && read_ahead_ && !send_failed_) return begin_read();
    return std::nullopt;
}

void Connection::woken(int ready) {
    if (closed_ || !handle_) return;
    if (step_ != Step::none) {
        drive(handle_->go_on(ready));
    } else if (!sent_.empty()) {
        drive(begin_read());
    } else {
        broken("the server closed the connection");
    }
}

// The whole answer to one query has been read. The report may bring the next query.
std::optional<int> Connection::query_done(bool failed) {
    step_ = Step::none;
    const Sent sent = std::move(sent_.front());
    sent_.pop_front();
    unanswered_bytes_ -= sent.text.size();
    read_ahead_ = !sent_.empty();
    if (!read_ahead_ && handle_->has_surplus()) {
        // This answer may have been another one's, too.
        broken("the server sent what was not asked for");
        return std::nullopt;
    }
    const Result result = std::move(result_);
    const bool several_results = std::exchange(several_results_, false);
    if (!failed) {
        report(sent, result, several_results);
    } else {
        const auto why = failure_of(*handle_, Phase::querying);
        if (why.kind == FailureClass::lost || why.kind == FailureClass::not_serving) {
            if (why.kind == FailureClass::not_serving) driver_.omitted_steps().not_serving(host_);
            broken(why);
            return std::nullopt;
        }
        observer_.finished(sent.token, {nullptr, why});
    }
    if (closed_ || step_ != Step::none) return std::nullopt;
    return next_step();
}

// MariaDB 10.11 may answer a statement that meets its time limit with fewer rows or none, and no error.
bool Connection::cut_short(const Sent& sent) const {
    return driver_.loop().now() - sent.begun >= time_limit_ * 99 / 100;
}

void Connection::report(const Sent& sent, const Result& result, bool several_results) {
    if (cut_short(sent)) {
        observer_.finished(sent.token,
                           {nullptr, {FailureClass::query, "the query met the server's time limit"}});
    } else if (several_results) {
        observer_.finished(
            sent.token,
            {nullptr, {FailureClass::query, "multiple result sets returning data are not supported"}});
    } else if (!result && sent.statement->require_result_set()) {
        observer_.finished(
            sent.token,
            {nullptr, {FailureClass::query, "the query gave no result set (require_result_set)"}});
    } else {
        const ResultRows rows(result.get());
        observer_.finished(sent.token, {&rows, {}});
    }
}

void Connection::broken(const std::string& why) {
    broken(Failure{FailureClass::lost, why});
}

void Connection::broken(const Failure& why) {
    if (closed_) return;
    closed_ = true;
    watch_.stop();
    observer_.closed(why);
}

void Connection::later(std::function<void()> work) {
    driver_.loop().defer([this, alive = std::weak_ptr<bool>(alive_), work = std::move(work)] {
        if (alive.lock() && !closed_) work();
    });
}

}  // namespace proxyd::mysql
