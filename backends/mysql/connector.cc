#include "backends/mysql/connector.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/mysql/context.h"
#include "backends/mysql/error_class.h"

namespace proxyd::mysql {
namespace {

using pool::FailureClass;

// Servers answer optional statements at once.
constexpr std::chrono::milliseconds longest_patience{500};

// Each optional statement twice, and once more if other connections have lost theirs meanwhile.
constexpr int most_setups_lost = 6;

constexpr unsigned access_denied = 1045;

}  // namespace

Connector::Connector(Context& context, const std::string& host, Connected connected, Failed failed)
    : context_(context),
      host_(host),
      connected_callback_(std::move(connected)),
      failed_callback_(std::move(failed)),
      walk_(context.addresses(), context.loop().now(), context.settings().connect_timeout),
      watch_(context.loop(), [this](int ready) { woken(ready); }),
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
    if (setup_) {
        setup_->stop();
    } else {
        context_.setup_memory().unreachable(host_);
    }
    walk_.timed_out();
    move_later([this] { next_address(); });
}

void Connector::try_address(std::string address) {
    address_ = std::move(address);
    watch_.stop();
    begun_ = context_.loop().now();
    time_limit_ = context_.settings().statement_timeout;
    handle_ = std::make_unique<Handle>();
    setup_.reset();
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

int Connector::begin_setup() {
    const auto patience = std::min(longest_patience, context_.settings().connect_timeout / 4);
    setup_.emplace(context_.loop(), context_.setup_memory(), *handle_,
                   Session{host_, context_.cluster().charset, time_limit_, patience, begun_},
                   [this] { setup_lost(); });
    return setup_->begin();
}

// Continues as far as the library can without waiting.
void Connector::drive(std::optional<int> waits) {
    while (waits && *waits == 0) waits = step_done();
    if (waits) watch_.wait_for(*handle_, *waits);
}

std::optional<int> Connector::step_done() {
    watch_.drop_if_closed(*handle_);
    if (setup_) return setup_step_done();
    if (connected_ != nullptr) return begin_setup();
    context_.setup_memory().unreachable(host_);
    attempt_failed();
    return std::nullopt;
}

std::optional<int> Connector::setup_step_done() {
    const auto waits = setup_->statement_done();
    if (waits) return waits;
    switch (setup_->state()) {
        case SessionSetup::State::done: established(); break;
        case SessionSetup::State::lost: setup_lost(); break;
        default: attempt_failed(); break;
    }
    return std::nullopt;
}

// Another connection is tried, perhaps without the statement.
void Connector::setup_lost() {
    watch_.stop();
    if (++setups_lost_ > most_setups_lost) {
        attempt_failed({FailureClass::unreachable, setup_->loss()}, false);
    } else {
        move_later([this] { try_address(address_); });
    }
}

void Connector::woken(int ready) {
    if (!over_ && handle_) drive(handle_->go_on(ready));
}

void Connector::established() {
    over_ = true;
    share_timer_->stop();
    watch_.stop();
    walk_.worked();
    enforce_options(handle_->get());
    const auto callback = std::move(connected_callback_);
    callback(std::move(handle_), setup_->round_trip());
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
