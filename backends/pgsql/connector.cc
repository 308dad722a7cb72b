#include "backends/pgsql/connector.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "backends/pgsql/context.h"
#include "backends/pgsql/error_class.h"
#include "backends/report/log.h"
#include "backends/report/redact.h"

namespace proxyd::pgsql {
namespace {

using pool::Failure;
using pool::FailureClass;

// After this time a server counts as silent: an attempt that the pool then begins in parallel starts with
// another server of a URI.
constexpr std::chrono::milliseconds doubted_after{200};

void ignore_notice(void*, const PGresult*) {}

}  // namespace

// With verbose errors libpq writes "FATAL:  53300: sorry, too many clients already" and a LOCATION line.
std::string connect_error_text(const std::string& libpq_message, std::string& sqlstate) {
    std::string text = libpq_message;
    for (const std::string_view severity : {"FATAL:  ", "PANIC:  ", "ERROR:  "}) {
        const auto at = text.find(severity);
        if (at == std::string::npos) continue;
        const auto code = at + severity.size();
        if (code + 7 <= text.size() && text[code + 5] == ':') {
            sqlstate = text.substr(code, 5);
            text.erase(code, 7);
        }
        break;
    }
    if (const auto location = text.find("\nLOCATION:"); location != std::string::npos) text.erase(location);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
    // The first line says this already.
    for (auto at = text.find("\n\tIs the server running"); at != std::string::npos;
         at = text.find("\n\tIs the server running")) {
        text.erase(at, text.find('\n', at + 1) - at);
    }
    for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at)) {
        const bool ended = at > 0 && std::ispunct(static_cast<unsigned char>(text[at - 1])) != 0;
        text.replace(at, 1, ended ? " " : "; ");
    }
    std::replace(text.begin(), text.end(), '\t', ' ');
    for (auto at = text.find("  "); at != std::string::npos; at = text.find("  ", at)) text.erase(at, 1);
    return redact(text);
}

Connector::Connector(Context& context, const std::string& host, Connected connected, Failed failed)
    : context_(context),
      host_(host),
      connected_(std::move(connected)),
      failed_(std::move(failed)),
      walk_(context.addresses(), context.loop().now(), context.settings().connect_timeout),
      share_timer_(context.loop().make_timer([this] { share_is_over(); })),
      doubt_timer_(context.loop().make_timer([this] { context_.servers().failed(host_, endpoint_); })) {}

void Connector::start() {
    std::string error;
    endpoints_ = context_.servers().in_order(host_, endpoints(context_.cluster(), host_, error));
    std::reverse(endpoints_.begin(), endpoints_.end());
    if (endpoints_.empty()) walk_.keep({FailureClass::configuration, error}, false);
    context_.loop().defer([this, alive = lifetime_.watch()] {
        if (alive) next_endpoint();
    });
}

void Connector::next_endpoint() {
    const auto now = context_.loop().now();
    if (endpoints_.empty() || !walk_.has_time(now)) {
        failed_(pool::Failure(walk_.failure()));
        return;
    }
    endpoint_ = std::move(endpoints_.back());
    endpoints_.pop_back();
    doubt_timer_->start(doubted_after);
    if (endpoint_.host.empty()) {
        walk_.begin("", {""}, endpoints_.size());
        next_address();
        return;
    }
    if (!endpoints_.empty()) share_timer_->start(walk_.share_of_name(now, endpoints_.size()));
    resolving_ = context_.resolver().resolve(endpoint_.host, [this](const Addresses& answer) {
        share_timer_->stop();
        if (answer.addresses.empty()) walk_.keep({FailureClass::unreachable, answer.error}, false);
        walk_.begin(endpoint_.host, answer.addresses, endpoints_.size());
        next_address();
    });
}

void Connector::next_address() {
    const auto step = walk_.next(context_.loop().now());
    if (!step) {
        next_endpoint();
        return;
    }
    auto parameters = endpoint_.parameters;
    if (!step->address.empty()) parameters["hostaddr"] = step->address;
    if (step->share) share_timer_->start(*step->share);
    try_address(parameters);
}

void Connector::try_address(const ConnectParameters& parameters) {
    current_ = parameters;
    auto effective = parameters;
    if (!context_.behind_pooler()) {
        auto& options = effective["options"];
        if (!options.empty()) options += ' ';
        options += fmt::format("-c statement_timeout={}", context_.settings().statement_timeout.count());
    }
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const auto& [keyword, value] : effective) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    watch_.reset();
    watched_fd_ = -1;
    connection_.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
    if (!connection_) {
        attempt_failed({FailureClass::unreachable, "out of memory"}, false);
        return;
    }
    PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
    PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
    if (PQstatus(connection_.get()) == CONNECTION_BAD) {
        std::string sqlstate;
        const auto text = connect_error_text(PQerrorMessage(connection_.get()), sqlstate);
        // Before its first attempt to reach a server libpq can only have refused the parameters.
        const bool refused = !text.starts_with("connection to server") || is_refusal_of_library(text);
        attempt_failed({refused ? FailureClass::configuration : FailureClass::unreachable, text}, refused);
        return;
    }
    watch_socket(false, true);
}

void Connector::watch_socket(bool read, bool write) {
    // libpq may continue on another socket (with another kind of encryption).
    const int fd = PQsocket(connection_.get());
    if (fd != watched_fd_ || !watch_) {
        watch_.reset();
        watched_fd_ = fd;
        watch_ = context_.loop().watch(fd, [this](Ready) { poll(); });
    }
    watch_->want(read, write);
}

void Connector::poll() {
    const int fd_before = PQsocket(connection_.get());
    const auto state = PQconnectPoll(connection_.get());
    if (PQsocket(connection_.get()) != fd_before || state == PGRES_POLLING_OK ||
        state == PGRES_POLLING_FAILED) {
        // The number may belong to another socket now.
        watch_.reset();
    }
    switch (state) {
        case PGRES_POLLING_READING: watch_socket(true, false); return;
        case PGRES_POLLING_WRITING: watch_socket(false, true); return;
        case PGRES_POLLING_OK: {
            share_timer_->stop();
            doubt_timer_->stop();
            walk_.worked();
            context_.servers().worked(host_, endpoint_);
            auto handle = std::move(connection_);
            connected_(std::move(handle));
            return;
        }
        default: break;
    }
    const std::string message = PQerrorMessage(connection_.get());
    std::string sqlstate;
    const auto text = connect_error_text(message, sqlstate);
    if (!context_.behind_pooler() && text.find("startup parameter") != std::string::npos) {
        context_.pooler_noticed(text);
        const auto again = current_;
        try_address(again);
        return;
    }
    Failure failure{classify(sqlstate, Phase::connecting), text, parameter_at_fault(sqlstate)};
    if (sqlstate.empty() && is_refusal_of_library(text)) failure.kind = FailureClass::configuration;
    if (const auto what_to_do = hint(sqlstate, text); !what_to_do.empty())
        failure.message += fmt::format("; {}", what_to_do);
    if (sqlstate.empty() && is_other_role(text)) failure.kind = FailureClass::unwanted;
    // invalid_parameter_value: only the text names the parameter
    if (sqlstate == "22023" && text.find("client_encoding") != std::string::npos)
        failure.parameter = "encoding";
    if (text.find("no password supplied") != std::string::npos) {
        failure.kind = FailureClass::configuration;
        failure.parameter = "user";
    }
    // libpq then uses the name of the system's user.
    if (failure.parameter == "user" && !current_.contains("user"))
        failure.message += fmt::format("; user is not set in the {}", is_uri(host_) ? "URI" : "table file");
    const bool said = !sqlstate.empty() || failure.kind == FailureClass::configuration;
    attempt_failed(failure, said);
}

void Connector::attempt_failed(const Failure& failure, bool said_by_server) {
    share_timer_->stop();
    watch_.reset();
    connection_.reset();
    walk_.failed(failure, said_by_server);
    next_address();
}

// The share of an address is over, or that of the name servers when there is no address yet.
void Connector::share_is_over() {
    if (connection_) {
        watch_.reset();
        connection_.reset();
        walk_.timed_out();
        next_address();
        return;
    }
    resolving_.reset();
    walk_.keep({FailureClass::unreachable,
                fmt::format("host name {}: the name servers have not answered", endpoint_.host)},
               false);
    next_endpoint();
}

}  // namespace proxyd::pgsql
