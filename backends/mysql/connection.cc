#include "backends/mysql/connection.h"

#include <utility>

#include <fmt/format.h>

#include "backends/log.h"
#include "backends/mysql/driver.h"
#include "backends/mysql/error_class.h"
#include "backends/redact.h"

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

// An answer too many that comes when a query has been sent is taken for the answer to it, and that answer for
// the next one's. So now and then something is asked that no query's answer can be an answer to.
constexpr std::chrono::seconds check_interval{1};

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
    checked_at_ = driver_.loop().now();
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
    statement_ = std::static_pointer_cast<const Statement>(query.statement);
    token_ = token;
    auto text = table::expand_query(statement_->query(), table::KeyParts(query.key), quote);
    // The pool hears of nothing inside its own call.
    if (!text) {
        later([this] { fail("the key cannot be quoted"); });
        return;
    }
    text_ = std::move(*text);
    if (const auto why = handle_->out_of_step(); !why.empty()) {
        later([this, why = std::string(why)] { broken(why); });
        return;
    }
    const bool check = driver_.loop().now() - checked_at_ >= check_interval;
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
    begun_ = driver_.loop().now();
    packets_ = 0;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_send_query_start(&call_result_, mysql, text_.data(), text_.size()); },
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

// A proxy in between that does not know the command says so, and the connection ends.
bool Connection::reset() {
    if (closed_ || step_ != Step::idle || !handle_->out_of_step().empty()) return false;
    const int waits = begin_reset(Step::resetting);
    watch_.drop_if_closed(*handle_);
    if (waits != 0) {
        watch_.wait_for(*handle_, waits);
    } else {
        later([this] { drive(0); });
    }
    return true;
}

int Connection::begin_reset(Step step) {
    step_ = step;
    auto* mysql = handle_->get();
    const auto& cluster = driver_.cluster();
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
        case Step::time_limit:
            text_ = time_limit_statement(*handle_, time_limit_);
            return handle_->start(
                [&] { return mysql_real_query_start(&call_result_, mysql, text_.data(), text_.size()); },
                [this, mysql](int ready) { return mysql_real_query_cont(&call_result_, mysql, ready); });
        default:
            begun_ = driver_.loop().now();
            return handle_->start([&] { return mysql_reset_connection_start(&call_result_, mysql); },
                                  [this, mysql](int ready) {
                                      return mysql_reset_connection_cont(&call_result_, mysql, ready);
                                  });
    }
}

std::optional<int> Connection::reset_step_done() {
    // Of the limit a server (or a proxy in between) may know nothing.
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
    const auto now = driver_.loop().now();
    switch (step_) {
        case Step::resetting: return begin_reset(Step::database);
        case Step::database: return begin_reset(Step::charset);
        case Step::charset:
            if (!driver_.omitted_steps().omits(host_, OptionalStep::time_limit, now))
                return begin_reset(Step::time_limit);
            break;
        default: break;
    }
    step_ = Step::idle;
    observer_.connected(now - begun_);
    return std::nullopt;
}

// Where the server or a setting of its own has no autocommit, what was written is still held.
bool Connection::worn() const {
    return statement_ && !statement_->repeatable() && !statement_->leaves_state() &&
           (handle_->get()->server_status & SERVER_STATUS_IN_TRANS) != 0;
}

// Goes on as far as the library can without waiting.
void Connection::drive(std::optional<int> waits) {
    while (waits && *waits == 0 && !closed_) waits = step_done();
    if (closed_) return;
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
            // 0: there is an answer to be read; -1: there was none any more
            if (call_result_ == 0) return answer_begun();
            query_done(call_result_ > 0);
            return std::nullopt;
        case Step::storing: return stored();
        case Step::resetting:
        case Step::database:
        case Step::charset:
        case Step::time_limit: return reset_step_done();
        case Step::idle:
        case Step::sent: return std::nullopt;
    }
    return std::nullopt;
}

std::optional<int> Connection::checked() {
    if (call_result_ != 0) {
        broken(failure_of(*handle_, Phase::querying).message);
    } else if (!handle_->said_ok() || handle_->has_surplus()) {
        broken("the server sent what was not asked for");
    } else {
        checked_at_ = driver_.loop().now();
        return begin_send();
    }
    return std::nullopt;
}

std::optional<int> Connection::sent() {
    if (call_result_ == 0) {
        step_ = Step::sent;
    } else {
        broken(handle_->error_text());
    }
    return std::nullopt;
}

std::optional<int> Connection::answer_begun() {
    if (mysql_field_count(handle_->get()) > 0) return begin_store();
    ++packets_;
    return next_statement();
}

std::optional<int> Connection::stored() {
    Result result(std::exchange(stored_, nullptr));
    if (!result) {
        query_done(true);
        return std::nullopt;
    }
    packets_ += handle_->packets_of(result.get());
    several_results_ = several_results_ || result_;
    result_ = std::move(result);
    return next_statement();
}

std::optional<int> Connection::next_statement() {
    if (mysql_more_results(handle_->get()) != 0) return begin_next_result();
    query_done(false);
    return std::nullopt;
}

void Connection::woken(int ready) {
    if (closed_ || !handle_) return;
    switch (step_) {
        case Step::idle:
            if (const auto why = handle_->out_of_step(); !why.empty()) broken(std::string(why));
            return;
        case Step::sent: drive(begin_read()); return;
        default: drive(handle_->go_on(ready)); return;
    }
}

// The whole answer to the query has been read. The report may bring the next query.
void Connection::query_done(bool failed) {
    step_ = Step::idle;
    if (handle_->has_surplus()) {
        // This answer may have been another one's, too.
        broken("the server sent what was not asked for");
        return;
    }
    const bool several_results = std::exchange(several_results_, false);
    if (!failed && !handle_->numbered_to(packets_)) {
        broken(
            "answers do not fit the queries: a packet is missing, or there are too many -- the connection is "
            "closed");
        return;
    }
    if (!failed) {
        report(several_results);
        return;
    }
    result_.reset();
    const auto why = failure_of(*handle_, Phase::querying);
    if (why.kind == FailureClass::not_serving) driver_.omitted_steps().not_serving(host_);
    if (why.kind == FailureClass::lost || why.kind == FailureClass::not_serving) {
        broken(why);
    } else {
        observer_.finished(token_, {nullptr, why});
    }
}

// MariaDB 10.11 may answer a statement that meets its time limit with fewer rows or none, and no error.
bool Connection::cut_short() const {
    return driver_.loop().now() - begun_ >= time_limit_ * 99 / 100;
}

void Connection::report(bool several_results) {
    const Result result = std::move(result_);
    if (cut_short()) {
        fail("the query met the server's time limit");
    } else if (several_results) {
        fail("multiple result sets returning data are not supported");
    } else if (!result && statement_->require_result_set()) {
        fail("the query gave no result set (require_result_set)");
    } else {
        const ResultRows rows(result.get());
        observer_.finished(token_, {&rows, {}});
    }
}

void Connection::fail(const std::string& why) {
    observer_.finished(token_, {nullptr, {FailureClass::query, why}});
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
