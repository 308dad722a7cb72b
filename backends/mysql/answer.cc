// Reads the answer to one query: its result sets, row by row, or its failure.
#include <cstring>
#include <numeric>
#include <utility>

#include "backends/mysql/connection.h"
#include "backends/mysql/context.h"
#include "backends/mysql/error_class.h"
#include "backends/pool/large_memory.h"

namespace proxyd::mysql {
namespace {

using pool::FailureClass;

// Limit of the bytes read in one turn of the loop: data may come as fast as it is read, and others wait.
constexpr std::size_t turn_bytes = 131072;
constexpr std::size_t row_cost = 64;  // the cost of a row beside its bytes, in the same unit

constexpr const char* out_of_order =
    "answers do not fit the queries: a packet is missing, or there are too many -- the connection is closed";

}  // namespace

int Connection::begin_read() {
    step_ = Step::reading;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_read_query_result_start(&read_result_, mysql); },
        [this, mysql](int ready) { return mysql_read_query_result_cont(&read_result_, mysql, ready); });
}

int Connection::begin_fetch() {
    step_ = Step::fetching;
    return handle_->start([&] { return mysql_fetch_row_start(&row_, result_.get()); },
                          [this](int ready) { return mysql_fetch_row_cont(&row_, result_.get(), ready); });
}

int Connection::begin_next_result() {
    step_ = Step::next_result;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_next_result_start(&call_result_, mysql); },
        [this, mysql](int ready) { return mysql_next_result_cont(&call_result_, mysql, ready); });
}

std::optional<int> Connection::answer_begun() {
    const auto columns = mysql_field_count(handle_->get());
    // Packets: the number of columns, each column, and with most libraries an end; or one that says "done".
    const bool in_order =
        columns > 0 ? handle_->packets_came(1 + columns, 2 + columns) : handle_->packets_came(1, 1);
    if (!in_order) {
        broken(out_of_order);
        return std::nullopt;
    }
    taken_ += row_cost * (1 + columns);
    return columns > 0 ? result_begun() : next_statement();
}

std::optional<int> Connection::result_begun() {
    result_.reset(mysql_use_result(handle_->get()));
    if (!result_) {
        query_done(true);
        return std::nullopt;
    }
    ++result_sets_;
    rows_.begin(mysql_num_fields(result_.get()), answer_limit_);
    return begin_fetch();
}

std::optional<int> Connection::fetched() {
    if (row_ == nullptr) {
        result_.reset();
        if (handle_->error_number() == 0 && handle_->packets_came(1, 1)) return next_statement();
        if (handle_->error_number() == 0) {
            broken(out_of_order);
        } else {
            query_done(true);
        }
        return std::nullopt;
    }
    if (row_is_large() && !context_.loop().take_heavy_turn()) {
        come_again(&Connection::fetched);
        return std::nullopt;
    }
    std::size_t bytes = 0;
    if (!take_row(bytes)) {
        too_large();
    } else if (!handle_->row_came(bytes, rows_.columns())) {
        broken(out_of_order);
    } else if (taken_ += bytes + row_cost; taken_ >= turn_bytes) {
        go_on_later(&Connection::begin_fetch);
    } else {
        return begin_fetch();
    }
    return std::nullopt;
}

// False: the answer is larger than its limit.
bool Connection::take_row(std::size_t& bytes) {
    const auto* const lengths = mysql_fetch_lengths(result_.get());
    for (std::size_t column = 0; column < rows_.columns(); ++column) {
        std::optional<std::string_view> value;
        if (row_[column] != nullptr) {
            bytes += lengths[column];
            // Values end at their first NUL, as with the stock server.
            value = std::string_view(row_[column], ::strnlen(row_[column], lengths[column]));
        }
        if (!rows_.add(value)) return false;
    }
    return true;
}

bool Connection::row_is_large() const {
    const auto* const lengths = mysql_fetch_lengths(result_.get());
    return std::accumulate(lengths, lengths + rows_.columns(), std::size_t{0}) > large_answer;
}

// Tries again in the next turn of the loop, and in the one after if necessary.
void Connection::come_again(std::optional<int> (Connection::*work)()) {
    step_ = Step::paused;
    later([this, work] { drive((this->*work)()); });
}

void Connection::go_on_later(int (Connection::*begin)()) {
    step_ = Step::paused;
    later([this, begin] { drive((this->*begin)()); });
}

std::optional<int> Connection::next_statement() {
    if (mysql_more_results(handle_->get()) == 0) {
        query_done(false);
    } else if (taken_ >= turn_bytes) {
        go_on_later(&Connection::begin_next_result);
    } else {
        return begin_next_result();
    }
    return std::nullopt;
}

// The whole answer to the query has been read.
void Connection::query_done(bool failed) {
    ended_ = context_.loop().now();
    conclude(failed);
}

// Ends the query. The report may bring the next one.
void Connection::conclude(bool failed) {
    step_ = Step::idle;
    if (handle_->has_surplus()) {
        // This answer may belong to another query, too.
        broken("the server sent what was not asked for");
        return;
    }
    if (!failed && rows_.size() > large_answer && !context_.loop().take_heavy_turn()) {
        come_again(&Connection::answer_read);
        return;
    }
    if (!failed) {
        report();
        return;
    }
    result_.reset();
    if (handle_->packet_was_too_large()) {
        too_large();
        return;
    }
    const auto why = failure_of(*handle_, Phase::querying);
    if (why.kind == FailureClass::not_serving) context_.setup_memory().not_serving(host_);
    if (why.kind == FailureClass::lost || why.kind == FailureClass::not_serving) {
        broken(why);
    } else if (!handle_->packets_came(1, 1)) {
        broken(out_of_order);
    } else {
        observer_.finished(token_, {nullptr, why});
    }
}

std::optional<int> Connection::answer_read() {
    conclude(false);
    return std::nullopt;
}

// MariaDB 10.11 may answer a statement that reaches its time limit with fewer rows or none, and no error.
bool Connection::cut_short() const {
    return ended_ - begun_ >= time_limit_ * 99 / 100;
}

void Connection::report() {
    if (cut_short()) {
        fail("the query met the server's time limit");
    } else if (result_sets_ > 1) {
        fail("multiple result sets returning data are not supported");
    } else if (result_sets_ == 0 && statement_->require_result_set()) {
        fail("the query gave no result set (require_result_set)");
    } else {
        if (result_sets_ == 0) rows_.begin(1, answer_limit_);
        // The report may bring the next query, whose rows must not replace these.
        auto rows = std::move(rows_);
        observer_.finished(token_, {&rows, {}});
        rows.begin(1, 0);  // a large answer's memory is not kept
        rows_ = std::move(rows);
    }
}

// Does not wait for the rest of the answer.
void Connection::too_large() {
    step_ = Step::closed;
    watch_.stop();
    observer_.finished(token_, {nullptr, pool::too_large()});
}

void Connection::fail(const std::string& why) {
    observer_.finished(token_, {nullptr, {FailureClass::query, why}});
}

}  // namespace proxyd::mysql
