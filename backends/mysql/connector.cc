#include "backends/mysql/connector.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "backends/log.h"
#include "backends/mysql/driver.h"
#include "backends/mysql/error_class.h"
#include "backends/redact.h"

namespace proxyd::mysql {
namespace {

using pool::FailureClass;

// Sent one behind the other before anything is read, as lookups will be.
constexpr std::array<std::string_view, 2> probes = {"SELECT 1", "SELECT 2"};
constexpr std::array<std::string_view, 2> probe_answers = {"1", "2"};

// Servers answer the second at once when they have answered the first.
constexpr std::chrono::milliseconds probe_patience{500};

}  // namespace

Connector::Connector(Driver& driver, const std::string& host, Connected connected, Failed failed)
    : driver_(driver),
      host_(host),
      connected_callback_(std::move(connected)),
      failed_callback_(std::move(failed)),
      watch_(driver.loop(), [this](int ready) { woken(ready); }),
      probe_timer_(driver.loop().make_timer([this] { without_pipelining(); })) {}

Connector::~Connector() {
    watch_.stop();
    // A call under way is ended now: it reads and writes the members below the handle.
    handle_.reset();
    mysql_free_result(stored_);
}

void Connector::start() {
    std::string error;
    const auto endpoint = parse_host(host_, error);
    if (!endpoint) {
        last_failure_ = {FailureClass::configuration, error};
        later([this] { next_address(); });
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

void Connector::next_address() {
    if (addresses_.empty()) {
        over_ = true;
        const auto callback = std::move(failed_callback_);
        callback(pool::Failure(last_failure_));
        return;
    }
    auto address = std::move(addresses_.back());
    addresses_.pop_back();
    try_address(std::move(address));
}

void Connector::try_address(std::string address) {
    address_ = std::move(address);
    watch_.stop();
    probes_ = 0;
    handle_ = std::make_unique<Handle>();
    set_options();
    drive(begin_connect());
}

void Connector::set_options() {
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
void Connector::insist(MYSQL* mysql) {
    const unsigned no = 0;
    const my_bool off = 0;
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &off);
    const auto& verify_cert = driver_.cluster().tls_verify_cert;
    if (!verify_cert) return;
    const my_bool verify = *verify_cert ? 1 : 0;
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (verify != 0) mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &verify);
}

int Connector::begin_connect() {
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

int Connector::begin_charset() {
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
int Connector::begin_time_limit() {
    step_ = Step::time_limit;
    const auto limit = driver_.settings().statement_timeout;
    return begin_query(
        mariadb_connection(handle_->get()) != 0
            ? fmt::format("SET SESSION max_statement_time={:.3f}", static_cast<double>(limit.count()) / 1000)
            : fmt::format("SET SESSION max_execution_time={}", limit.count()));
}

// A Galera node that is not ready takes SET, and SELECT where no table is read, but not this.
int Connector::begin_serving() {
    step_ = Step::serving;
    return begin_query("DO 0");
}

// One without a result.
int Connector::begin_query(std::string text) {
    auto* mysql = handle_->get();
    text_ = std::move(text);
    return handle_->start(
        [&] { return mysql_real_query_start(&call_result_, mysql, text_.data(), text_.size()); },
        [this, mysql](int ready) { return mysql_real_query_cont(&call_result_, mysql, ready); });
}

int Connector::begin_probe_send() {
    step_ = Step::probe_send;
    auto* mysql = handle_->get();
    const auto& probe = probes.at(probes_);
    return handle_->start(
        [&] { return mysql_send_query_start(&call_result_, mysql, probe.data(), probe.size()); },
        [this, mysql](int ready) { return mysql_send_query_cont(&call_result_, mysql, ready); });
}

int Connector::begin_probe_read() {
    step_ = Step::probe_read;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_read_query_result_start(&read_result_, mysql); },
        [this, mysql](int ready) { return mysql_read_query_result_cont(&read_result_, mysql, ready); });
}

int Connector::begin_probe_store() {
    step_ = Step::probe_store;
    auto* mysql = handle_->get();
    return handle_->start(
        [&] { return mysql_store_result_start(&stored_, mysql); },
        [this, mysql](int ready) { return mysql_store_result_cont(&stored_, mysql, ready); });
}

// Goes on as far as the library can without waiting.
void Connector::drive(std::optional<int> waits) {
    while (waits && *waits == 0) waits = step_done();
    if (waits) watch_.wait_for(*handle_, *waits);
}

std::optional<int> Connector::step_done() {
    watch_.drop_if_closed(*handle_);
    switch (step_) {
        case Step::connecting:
            if (connected_ != nullptr) return begin_charset();
            attempt_failed();
            return std::nullopt;
        case Step::charset:
            if (call_result_ == 0) {
                round_trip_ = Clock::now() - probed_at_;
                return begin_time_limit();
            }
            attempt_failed();
            return std::nullopt;
        case Step::time_limit:
        case Step::serving:
            // A server (or a proxy in between) that knows no such limit serves all the same.
            if (call_result_ != 0 && of_no_use()) {
                attempt_failed();
            } else if (step_ == Step::time_limit) {
                return begin_serving();
            } else if (driver_.pipelines() && handle_->get()->net.compress == 0) {
                probe_timer_->start(probe_patience + 4 * round_trip_);
                return begin_probe_send();
            } else {
                established();
            }
            return std::nullopt;
        case Step::probe_send:
            if (call_result_ != 0) break;
            if (++probes_ < probes.size()) return begin_probe_send();
            probes_ = 0;
            return begin_probe_read();
        case Step::probe_read:
            if (read_result_ != 0) break;
            return begin_probe_store();
        case Step::probe_store: return probe_stored();
    }
    probe_failed();
    return std::nullopt;
}

std::optional<int> Connector::probe_stored() {
    auto* const result = std::exchange(stored_, nullptr);
    MYSQL_ROW row = result != nullptr ? mysql_fetch_row(result) : nullptr;
    const bool right = row != nullptr && row[0] != nullptr && probe_answers.at(probes_) == row[0];
    mysql_free_result(result);
    if (right && ++probes_ < probes.size()) return begin_probe_read();
    if (right) {
        driver_.pipelining_worked();
        established();
    } else {
        probe_failed();
    }
    return std::nullopt;
}

void Connector::woken(int ready) {
    if (!over_ && handle_) drive(handle_->go_on(ready));
}

void Connector::established() {
    over_ = true;
    probe_timer_->stop();
    watch_.stop();
    insist(handle_->get());
    const auto callback = std::move(connected_callback_);
    callback(std::move(handle_), round_trip_);
}

void Connector::attempt_failed() {
    last_failure_ = failure_of(*handle_, Phase::connecting);
    watch_.stop();
    // This runs inside a call of the handle's.
    later([this] { next_address(); });
}

void Connector::probe_failed() {
    if (handle_->error_number() != 0 && of_no_use()) {
        probe_timer_->stop();
        attempt_failed();
    } else {
        without_pipelining();
    }
}

// Whether the last error leaves nothing to be done with the connection.
bool Connector::of_no_use() const {
    const auto kind = classify(handle_->error_number(), Phase::querying, {});
    return kind == FailureClass::lost || kind == FailureClass::not_serving;
}

// A query that came behind another was not answered. Twice in a row, and one at a time is sent from then on.
void Connector::without_pipelining() {
    probe_timer_->stop();
    watch_.stop();
    if (driver_.pipelining_failed()) {
        log().info(
            fmt::format("mysql host {}: does not answer queries that are sent ahead -- sending one at a time",
                        redact_host(host_)));
    }
    later([this] { try_address(address_); });
}

void Connector::later(std::function<void()> work) {
    driver_.loop().defer([alive = std::weak_ptr<bool>(alive_), work = std::move(work)] {
        if (alive.lock()) work();
    });
}

}  // namespace proxyd::mysql
