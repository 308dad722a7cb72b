#include "backends/mysql/connector.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/mysql/context.h"
#include "backends/mysql/error_class.h"
#include "backends/report/log.h"
#include "backends/report/redact.h"

namespace proxyd::mysql {
namespace {

using pool::FailureClass;

// Servers answer optional steps at once.
constexpr std::chrono::milliseconds longest_patience{500};

// Each step twice, and once more if other connections have lost theirs meanwhile.
constexpr int most_steps_lost = 6;

constexpr unsigned access_denied = 1045;

}  // namespace

// The limit is below our own deadline, so that a runaway query ends on the server, too.
std::string time_limit_statement(Handle& handle, std::chrono::milliseconds limit) {
    if (mariadb_connection(handle.get()) == 0)
        return fmt::format("SET SESSION max_execution_time={}", limit.count());
    return fmt::format("SET SESSION max_statement_time={:.3f}", static_cast<double>(limit.count()) / 1000);
}

Connector::Connector(Context& context, const std::string& host, Connected connected, Failed failed)
    : context_(context),
      host_(host),
      connected_callback_(std::move(connected)),
      failed_callback_(std::move(failed)),
      walk_(context.addresses(), context.loop().now(), context.settings().connect_timeout),
      watch_(context.loop(), [this](int ready) { woken(ready); }),
      patience_timer_(context.loop().make_timer([this] { optional_step_lost("not answered"); })),
      share_timer_(context.loop().make_timer([this] { share_is_over(); })) {}

Connector::~Connector() {
    watch_.stop();
    // Ends a call under way now: it reads and writes members declared below the handle.
    handle_.reset();
}

void Connector::start() {
    std::string error;
    const auto endpoint = parse_host(host_, error);
    if (!endpoint) {
        walk_.keep({FailureClass::configuration, error}, false);
        later([this] { next_address(); });
        return;
    }
    endpoint_ = *endpoint;
    if (endpoint_.local()) {
        walk_.begin("", {""}, 0);
        later([this] { next_address(); });
        return;
    }
    resolving_ = context_.resolver().resolve(endpoint_.host, [this](const Addresses& answer) {
        if (answer.addresses.empty()) walk_.keep({FailureClass::unreachable, answer.error}, false);
        walk_.begin(endpoint_.host, answer.addresses, 0);
        next_address();
    });
}

void Connector::next_address() {
    auto step = walk_.next(context_.loop().now());
    if (!step) {
        over_ = true;
        const auto callback = std::move(failed_callback_);
        callback(pool::Failure(walk_.failure()));
        return;
    }
    if (step->share) share_timer_->start(*step->share);
    // The library knows "localhost" in lower case only.
    try_address(endpoint_.local() ? "localhost" : std::move(step->address));
}

void Connector::share_is_over() {
    if (moving_) {
        // Another connection is about to begin: the share ends right after that.
        share_timer_->start(std::chrono::milliseconds(1));
        return;
    }
    watch_.stop();
    patience_timer_->stop();
    if (step_ == Step::connecting) context_.setup_memory().unreachable(host_);
    walk_.timed_out();
    move_later([this] { next_address(); });
}

void Connector::try_address(std::string address) {
    address_ = std::move(address);
    watch_.stop();
    begun_ = context_.loop().now();
    time_limit_ = context_.settings().statement_timeout;
    handle_ = std::make_unique<Handle>();
    set_options();
    drive(begin_connect());
}

void Connector::set_options() {
    auto* mysql = handle_->get();
    const auto& cluster = context_.cluster();
    const auto text = [](const std::string& value) { return value.empty() ? nullptr : value.c_str(); };
    if (!cluster.option_file.empty())
        mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, cluster.option_file.c_str());
    if (!cluster.option_group.empty())
        mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, cluster.option_group.c_str());
    if (cluster.names_tls_files()) {
        mysql_ssl_set(mysql, text(cluster.tls_key_file), text(cluster.tls_cert_file),
                      text(cluster.tls_ca_file), text(cluster.tls_ca_path), text(cluster.tls_ciphers));
    }
    enforce_options(mysql);
}

// Options that an option file must not change. The library reads the file when the connection begins. So they
// are set before, in case there is no file, and again at each later step.
void Connector::enforce_options(MYSQL* mysql) {
    const unsigned no = 0;
    const my_bool off = 0;
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &off);
    const auto& verify_cert = context_.cluster().tls_verify_cert;
    if (!verify_cert) return;
    const my_bool verify = *verify_cert ? 1 : 0;
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    if (verify != 0) mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &verify);
}

int Connector::begin_connect() {
    step_ = Step::connecting;
    auto* mysql = handle_->get();
    const char* path = endpoint_.socket_path.empty() ? nullptr : endpoint_.socket_path.c_str();
    // So that the buffer stays in its place.
    host_given_.reserve(std::max(address_.size(), endpoint_.host.size()) + 1);
    host_given_ = address_;
    return handle_->start_connecting(
        [this, mysql, path] {
            return mysql_real_connect_start(
                &connected_, mysql, host_given_.c_str(), context_.cluster().user.c_str(),
                context_.cluster().password.c_str(), context_.cluster().dbname.c_str(), endpoint_.port, path,
                CLIENT_MULTI_RESULTS);
        },
        [this, mysql](int ready) {
            // The library has used the address. It reads this string again after the server's greeting: for
            // the name in the server's certificate, and for its messages.
            if (!endpoint_.local()) host_given_ = endpoint_.host;
            return mysql_real_connect_cont(&connected_, mysql, ready);
        },
        [this, mysql] { enforce_options(mysql); });
}

int Connector::begin_charset() {
    step_ = Step::charset;
    charset_sent_at_ = Clock::now();
    auto* mysql = handle_->get();
    return handle_->start(
        [&] {
            return mysql_set_character_set_start(&call_result_, mysql, context_.cluster().charset.c_str());
        },
        [this, mysql](int ready) { return mysql_set_character_set_cont(&call_result_, mysql, ready); });
}

int Connector::begin_optional(OptionalStep step) {
    step_ = step == OptionalStep::serving ? Step::serving : Step::time_limit;
    patience_timer_->start(patience());
    auto* mysql = handle_->get();
    text_ = statement_of(step);
    return handle_->start(
        [&] { return mysql_real_query_start(&call_result_, mysql, text_.data(), text_.size()); },
        [this, mysql](int ready) { return mysql_real_query_cont(&call_result_, mysql, ready); });
}

std::string Connector::statement_of(OptionalStep step) const {
    // A Galera node that is not ready accepts SET, and SELECT without a table, but not this statement.
    if (step == OptionalStep::serving) return "DO 0";
    return time_limit_statement(*handle_, time_limit_);
}

// Continues as far as the library can without waiting.
void Connector::drive(std::optional<int> waits) {
    while (waits && *waits == 0) waits = step_done();
    if (waits) watch_.wait_for(*handle_, *waits);
}

std::optional<int> Connector::step_done() {
    watch_.drop_if_closed(*handle_);
    switch (step_) {
        case Step::connecting:
            if (connected_ != nullptr) return begin_charset();
            context_.setup_memory().unreachable(host_);
            attempt_failed();
            return std::nullopt;
        case Step::charset:
            if (call_result_ == 0) {
                round_trip_ = Clock::now() - charset_sent_at_;
                return begin_after(step_);
            }
            attempt_failed();
            return std::nullopt;
        case Step::time_limit:
        case Step::serving: return optional_step_done();
    }
    return std::nullopt;
}

std::optional<int> Connector::begin_after(Step done) {
    if (done == Step::charset && wants(OptionalStep::time_limit))
        return begin_optional(OptionalStep::time_limit);
    if (done != Step::serving && wants(OptionalStep::serving)) return begin_optional(OptionalStep::serving);
    established();
    return std::nullopt;
}

bool Connector::wants(OptionalStep step) const {
    return !context_.setup_memory().omits(host_, step, context_.loop().now());
}

Duration Connector::patience() const {
    const auto share = context_.settings().connect_timeout / 4;
    return std::min(longest_patience, share) + 4 * round_trip_;
}

OptionalStep Connector::optional_step() const {
    return step_ == Step::serving ? OptionalStep::serving : OptionalStep::time_limit;
}

std::optional<int> Connector::optional_step_done() {
    patience_timer_->stop();
    const bool failed = call_result_ != 0;
    if (failed && is_of_library(handle_->error_number())) {
        optional_step_lost(handle_->error_text());
    } else if (failed && (of_no_use() || is_of_account(handle_->error_number()))) {
        attempt_failed();
    } else if (!failed && (mysql_field_count(handle_->get()) > 0 || mysql_more_results(handle_->get()) != 0 ||
                           handle_->has_surplus())) {
        optional_step_lost("answered with what was not asked for");
    } else {
        // A server (or a proxy in between) that does not know the statement can still serve.
        context_.setup_memory().answered(host_, optional_step());
        return begin_after(step_);
    }
    return std::nullopt;
}

// The connection was good until this statement: another one is tried, perhaps without the statement.
void Connector::optional_step_lost(const std::string& why) {
    patience_timer_->stop();
    watch_.stop();
    context_.setup_memory().lost(host_, optional_step(), why, begun_, context_.loop().now());
    if (++steps_lost_ > most_steps_lost) {
        attempt_failed({FailureClass::unreachable, fmt::format("{}: {}", text_, why)}, false);
    } else {
        move_later([this] { try_address(address_); });
    }
}

void Connector::woken(int ready) {
    if (!over_ && handle_) drive(handle_->go_on(ready));
}

void Connector::established() {
    over_ = true;
    patience_timer_->stop();
    share_timer_->stop();
    watch_.stop();
    walk_.worked();
    enforce_options(handle_->get());
    for (const auto& [step, why] : context_.setup_memory().served(host_, context_.loop().now())) {
        log().info(
            fmt::format("mysql host {}: connections do not outlive \"{}\" ({}) -- left out for 10 minutes",
                        redact_host(host_), statement_of(step), why));
    }
    const auto callback = std::move(connected_callback_);
    callback(std::move(handle_), round_trip_);
}

void Connector::attempt_failed() {
    auto failure = failure_of(*handle_, Phase::connecting);
    if (failure.parameter == "user" && context_.cluster().user.empty()) {
        failure.message += "; user is not set in the table file";
    } else if (failure.message.find("(using password: NO)") != std::string::npos &&
               context_.cluster().password.empty()) {
        failure.message += "; password is not set in the table file";
    } else if (handle_->error_number() == access_denied && !context_.cluster().asks_for_tls()) {
        failure.message +=
            "; a server says the same of an account that requires TLS, which this table does not ask for "
            "(no tls_ parameter)";
    }
    const bool said = !is_of_library(handle_->error_number()) || failure.kind == FailureClass::configuration;
    attempt_failed(failure, said);
}

void Connector::attempt_failed(const pool::Failure& failure, bool said_by_server) {
    share_timer_->stop();
    watch_.stop();
    walk_.failed(failure, said_by_server);
    // This runs inside a call of the handle.
    move_later([this] { next_address(); });
}

// Whether the connection is useless after the last error.
bool Connector::of_no_use() const {
    const auto kind = classify(handle_->error_number(), Phase::querying, {});
    return kind == FailureClass::lost || kind == FailureClass::not_serving;
}

void Connector::move_later(std::function<void()> move) {
    moving_ = true;
    later([this, move = std::move(move)] {
        moving_ = false;
        move();
    });
}

void Connector::later(std::function<void()> work) {
    context_.loop().defer([alive = lifetime_.watch(), work = std::move(work)] {
        if (alive) work();
    });
}

}  // namespace proxyd::mysql
