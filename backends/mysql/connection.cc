#include "backends/mysql/connection.h"

#include <algorithm>
#include <cstring>
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

}  // namespace

Connection::Connection(Driver& driver, const std::string& host, pool::ConnectionObserver& observer)
    : driver_(driver),
      host_(host),
      observer_(observer),
      timer_(driver.loop().make_timer([this] { woken(MYSQL_WAIT_TIMEOUT); })) {}

Connection::~Connection() {
    watch_.reset();
    // A call under way is ended now: it reads and writes the members below the handle.
    handle_.reset();
    const Result unread(stored_);
}

void Connection::connect() {
    std::string error;
    const auto endpoint = parse_host(host_, error);
    if (!endpoint) {
        later([this, error] { connect_failed({FailureClass::configuration, error}); });
        return;
    }
    endpoint_ = *endpoint;
    if (endpoint_.local()) {
        // The library knows it in lower case only.
        later([this] { try_address("localhost"); });
        return;
    }
    resolving_ = driver_.resolver().resolve(endpoint_.host, [this](const Addresses& answer) {
        addresses_ = answer.addresses;
        std::reverse(addresses_.begin(), addresses_.end());
        last_failure_ = {FailureClass::unreachable, answer.error};
        next_address();
    });
}

void Connection::next_address() {
    if (addresses_.empty()) {
        closed_ = true;
        observer_.closed(last_failure_);
        return;
    }
    auto address = std::move(addresses_.back());
    addresses_.pop_back();
    try_address(std::move(address));
}

void Connection::try_address(std::string address) {
    address_ = std::move(address);
    watch_.reset();
    watched_fd_ = -1;
    handle_ = std::make_unique<Handle>();
    set_options();
    drive(begin_connect());
}

void Connection::set_options() {
    auto* mysql = handle_->get();
    const auto& cluster = driver_.cluster();
    const auto text = [](const std::string& value) { return value.empty() ? nullptr : value.c_str(); };
    if (!cluster.option_file.empty())
        mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, cluster.option_file.c_str());
    if (!cluster.option_group.empty())
        mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, cluster.option_group.c_str());
    const bool tls = !cluster.tls_key_file.empty() || !cluster.tls_cert_file.empty() ||
                     !cluster.tls_ca_file.empty() || !cluster.tls_ca_path.empty() ||
                     !cluster.tls_ciphers.empty();
    if (tls) {
        mysql_ssl_set(mysql, text(cluster.tls_key_file), text(cluster.tls_cert_file),
                      text(cluster.tls_ca_file), text(cluster.tls_ca_path), text(cluster.tls_ciphers));
    }
    insist(mysql);
}

// What an option file must not change. The library reads the file when the connection begins, so this is set
// before, for when there is none, and again at each step after.
void Connection::insist(MYSQL* mysql) {
    const unsigned no = 0;
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
    const auto& verify_cert = driver_.cluster().tls_verify_cert;
    if (!verify_cert) return;
    const my_bool verify = *verify_cert ? 1 : 0;
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (verify != 0) mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &verify);
}

int Connection::begin_connect() {
    step_ = Step::connecting;
    auto* mysql = handle_->get();
    const char* path = endpoint_.socket_path.empty() ? nullptr : endpoint_.socket_path.c_str();
    // So that its buffer stays where it is.
    host_given_.reserve(std::max(address_.size(), endpoint_.host.size()) + 1);
    host_given_ = address_;
    return handle_->start_connecting(
        [this, mysql, path] {
            return mysql_real_connect_start(
                &connected_, mysql, host_given_.c_str(), driver_.cluster().user.c_str(),
                driver_.cluster().password.c_str(), driver_.cluster().dbname.c_str(), endpoint_.port, path,
                CLIENT_MULTI_RESULTS);
        },
        [this, mysql](int ready) {
            // The library has used the address, and reads this again when the server has greeted: for the
            // name that the server's certificate must have, and for its messages.
            if (!endpoint_.local()) host_given_ = endpoint_.host;
            return mysql_real_connect_cont(&connected_, mysql, ready);
        },
        [this, mysql] { insist(mysql); });
}

int Connection::begin_charset() {
    step_ = Step::charset;
    probed_at_ = Clock::now();
    auto* mysql = handle_->get();
    return handle_->start(
        [&] {
            return mysql_set_character_set_start(&call_result_, mysql, driver_.cluster().charset.c_str());
        },
        [this, mysql](int ready) { return mysql_set_character_set_cont(&call_result_, mysql, ready); });
}

// Below our own deadline, so that a query that runs away ends on the server, too.
int Connection::begin_time_limit() {
    const auto limit = driver_.settings().statement_timeout;
    const bool mariadb = mariadb_connection(handle_->get()) != 0;
    text_ = mariadb ? fmt::format("SET SESSION max_statement_time={:.3f}",
                                  static_cast<double>(limit.count()) / 1000)
                    : fmt::format("SET SESSION max_execution_time={}", limit.count());
    return begin_query(text_, Step::time_limit);
}

int Connection::begin_query(const std::string& text, Step step) {
    step_ = step;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_real_query_start(&call_result_, mysql, text.data(), text.size()); },
        [this, mysql](int ready) { return mysql_real_query_cont(&call_result_, mysql, ready); });
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
    if (closed_ || !handle_) return;
    if (waits) {
        wait_for(*waits);
    } else if (step_ == Step::none && watch_) {
        // Idle: the only thing that can come is the end of the connection.
        timer_->stop();
        watch_->want(true, false);
    }
}

// The library closes its socket where it gives up. The number may stand for another socket soon: of a client,
// of another connection.
void Connection::drop_dead_watch() {
    if (watch_ && handle_ && handle_->socket() != watched_fd_) {
        watch_.reset();
        watched_fd_ = -1;
    }
}

std::optional<int> Connection::step_done() {
    drop_dead_watch();
    switch (step_) {
        case Step::connecting:
            if (connected_ == nullptr) {
                connect_failed(failure(true));
                return std::nullopt;
            }
            return begin_charset();
        case Step::charset:
            if (call_result_ != 0) {
                connect_failed(failure(true));
                return std::nullopt;
            }

            round_trip_ = Clock::now() - probed_at_;
            return begin_time_limit();
        case Step::time_limit:
            // A server (or a proxy in between) that knows no such limit serves all the same.
            if (call_result_ != 0 &&
                classify(handle_->error_number(), Phase::querying, {}) == FailureClass::lost) {
                connect_failed(failure(true));
                return std::nullopt;
            }
            established();
            return std::nullopt;
        case Step::querying:
        case Step::storing:
        case Step::next_result: return query_step_done();
        case Step::none: return std::nullopt;
    }
    return std::nullopt;
}

std::optional<int> Connection::query_step_done() {
    auto* mysql = handle_->get();
    if (step_ == Step::storing) {
        Result result(stored_);
        stored_ = nullptr;
        if (result) {
            several_results_ = several_results_ || result_;
            result_ = std::move(result);
        } else if (mysql_errno(mysql) != 0) {
            finish_query();
            return std::nullopt;
        }
        if (mysql_more_results(mysql) != 0) return begin_next_result();
        finish_query();
        return std::nullopt;
    }
    // 0: there is a result to be read; -1 (of next_result): there was none any more.
    if (call_result_ == 0) {
        if (mysql_field_count(mysql) > 0) return begin_store();
        if (mysql_more_results(mysql) != 0) return begin_next_result();
    }
    finish_query();
    return std::nullopt;
}

void Connection::wait_for(int waits) {
    const int fd = handle_->socket();
    if (fd >= 0 && (fd != watched_fd_ || !watch_)) {
        watch_.reset();
        watched_fd_ = fd;
        watch_ = driver_.loop().watch(fd, [this](Ready ready) {
            woken((ready.read ? MYSQL_WAIT_READ : 0) | (ready.write ? MYSQL_WAIT_WRITE : 0));
        });
    }
    if (watch_)
        watch_->want((waits & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT)) != 0, (waits & MYSQL_WAIT_WRITE) != 0);
    if ((waits & MYSQL_WAIT_TIMEOUT) != 0) {
        timer_->start(std::chrono::milliseconds(mysql_get_timeout_value_ms(handle_->get())));
    } else {
        timer_->stop();
    }
}

void Connection::woken(int ready) {
    if (closed_ || !handle_) return;
    if (std::exchange(done_in_send_, false)) {
        drive(0);
        return;
    }
    if (step_ == Step::none) {
        broken("the server closed the connection");
        return;
    }
    drive(handle_->go_on(ready));
}

void Connection::established() {
    step_ = Step::none;
    insist(handle_->get());
    observer_.connected(round_trip_);
}

void Connection::send(pool::QueryToken token, const pool::Query& query) {
    token_ = token;
    statement_ = std::static_pointer_cast<const Statement>(query.statement);
    result_.reset();
    several_results_ = false;
    auto* mysql = handle_->get();
    const auto quote = [mysql](std::string_view value, std::string& out) {
        const auto start = out.size();
        out.resize(start + 2 * value.size() + 1);
        const auto length = mysql_real_escape_string(mysql, out.data() + start, value.data(), value.size());
        if (length == static_cast<unsigned long>(-1)) return false;
        out.resize(start + length);
        return true;
    };
    const table::KeyParts key(query.key);
    auto text = table::expand_query(statement_->query(), key, quote);
    if (!text) {
        later([this, token] {
            observer_.finished(token, {nullptr, {FailureClass::query, "the key cannot be quoted"}});
        });
        return;
    }
    text_ = std::move(*text);
    const int waits = begin_query(text_, Step::querying);
    if (waits != 0) {
        wait_for(waits);
    } else {
        // Done or failed at once; the pool must not hear of it inside this call. Something may wake us
        // before.
        drop_dead_watch();
        done_in_send_ = true;
        later([this] {
            if (std::exchange(done_in_send_, false)) drive(0);
        });
    }
}

void Connection::finish_query() {
    step_ = Step::none;
    const auto token = token_;
    const Result result = std::move(result_);
    const auto statement = std::move(statement_);
    if (handle_->error_number() != 0) {
        const auto why = failure(false);
        if (why.kind == FailureClass::lost) {
            broken(why.message);
            return;
        }
        observer_.finished(token, {nullptr, why});
    } else if (several_results_) {
        observer_.finished(
            token, {nullptr, {FailureClass::query, "multiple result sets returning data are not supported"}});
    } else if (!result && statement->require_result_set()) {
        observer_.finished(
            token, {nullptr, {FailureClass::query, "the query gave no result set (require_result_set)"}});
    } else {
        const ResultRows rows(result.get());
        observer_.finished(token, {&rows, {}});
    }
}

void Connection::connect_failed(Failure failure) {
    step_ = Step::none;
    last_failure_ = std::move(failure);
    timer_->stop();
    watch_.reset();
    // This runs inside a call of the handle's.
    later([this] { next_address(); });
}

void Connection::broken(const std::string& why) {
    if (closed_) return;
    closed_ = true;
    timer_->stop();
    watch_.reset();
    observer_.closed({FailureClass::lost, why});
}

Failure Connection::failure(bool while_connecting) {
    const auto number = handle_->error_number();
    const auto said = handle_->error_text();
    const auto kind = classify(number, while_connecting ? Phase::connecting : Phase::querying, said);
    auto text = fmt::format("{} (error {})", said, number);
    if (const auto what_to_do = hint(number); kind == FailureClass::configuration && !what_to_do.empty())
        text += fmt::format("; {}", what_to_do);
    return {kind, text};
}

void Connection::later(std::function<void()> work) {
    driver_.loop().defer([this, alive = std::weak_ptr<bool>(alive_), work = std::move(work)] {
        if (alive.lock() && !closed_) work();
    });
}

}  // namespace proxyd::mysql
