#include "backends/pgsql/connector.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "backends/log.h"
#include "backends/pgsql/driver.h"
#include "backends/pgsql/error_class.h"
#include "backends/redact.h"

namespace proxyd::pgsql {
namespace {

using pool::Failure;
using pool::FailureClass;

void ignore_notice(void*, const PGresult*) {}

}  // namespace

// With verbose errors libpq says "FATAL:  53300: sorry, too many clients already" and a LOCATION line.
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
    // What the first line says already.
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

Connector::Connector(Driver& driver, const std::string& host, Connected connected, Failed failed)
    : driver_(driver),
      host_(host),
      connected_(std::move(connected)),
      failed_(std::move(failed)),
      address_timer_(driver.loop().make_timer([this] {
          attempt_failed({FailureClass::unreachable, "no connection within its share of connect_timeout"});
      })) {}

void Connector::start() {
    std::string error;
    endpoints_ = endpoints(driver_.cluster(), host_, error);
    std::reverse(endpoints_.begin(), endpoints_.end());
    if (endpoints_.empty()) last_failure_ = {FailureClass::configuration, error};
    driver_.loop().defer([this, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.lock()) next_endpoint();
    });
}

void Connector::next_endpoint() {
    if (endpoints_.empty()) {
        failed_(last_failure_);
        return;
    }
    auto endpoint = std::move(endpoints_.back());
    endpoints_.pop_back();
    if (endpoint.host.empty()) {
        try_address(endpoint.parameters);
        return;
    }
    resolving_ = driver_.resolver().resolve(endpoint.host, [this, endpoint](const Addresses& answer) {
        addresses_.clear();
        for (const auto& address : answer.addresses) {
            addresses_.push_back(endpoint.parameters);
            addresses_.back()["hostaddr"] = address;
        }
        std::reverse(addresses_.begin(), addresses_.end());
        if (addresses_.empty()) {
            attempt_failed({FailureClass::unreachable, answer.error});
            return;
        }
        auto first = std::move(addresses_.back());
        addresses_.pop_back();
        try_address(first);
    });
}

void Connector::try_address(const ConnectParameters& parameters) {
    current_ = parameters;
    auto effective = parameters;
    if (!driver_.behind_pooler()) {
        auto& options = effective["options"];
        if (!options.empty()) options += ' ';
        options += fmt::format("-c statement_timeout={}", driver_.settings().statement_timeout.count());
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
        attempt_failed({FailureClass::unreachable, "out of memory"});
        return;
    }
    PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
    PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
    if (PQstatus(connection_.get()) == CONNECTION_BAD) {
        std::string sqlstate;
        attempt_failed(
            {FailureClass::unreachable, connect_error_text(PQerrorMessage(connection_.get()), sqlstate)});
        return;
    }
    if (const auto others = addresses_.size() + endpoints_.size(); others > 0) {
        address_timer_->start(driver_.settings().connect_timeout / static_cast<int>(others + 1));
    }
    watch_socket(false, true);
}

void Connector::watch_socket(bool read, bool write) {
    // libpq may go on with another socket (another way of encryption).
    const int fd = PQsocket(connection_.get());
    if (fd != watched_fd_ || !watch_) {
        watch_.reset();
        watched_fd_ = fd;
        watch_ = driver_.loop().watch(fd, [this](Ready) { poll(); });
    }
    watch_->want(read, write);
}

void Connector::poll() {
    const int fd_before = PQsocket(connection_.get());
    const auto state = PQconnectPoll(connection_.get());
    if (PQsocket(connection_.get()) != fd_before || state == PGRES_POLLING_OK ||
        state == PGRES_POLLING_FAILED) {
        // The number may stand for another socket now.
        watch_.reset();
    }
    switch (state) {
        case PGRES_POLLING_READING: watch_socket(true, false); return;
        case PGRES_POLLING_WRITING: watch_socket(false, true); return;
        case PGRES_POLLING_OK: {
            address_timer_->stop();
            auto handle = std::move(connection_);
            connected_(std::move(handle));
            return;
        }
        default: break;
    }
    const std::string message = PQerrorMessage(connection_.get());
    std::string sqlstate;
    const auto text = connect_error_text(message, sqlstate);
    if (!driver_.behind_pooler() && text.find("startup parameter") != std::string::npos) {
        driver_.pooler_noticed(text);
        const auto again = current_;
        try_address(again);
        return;
    }
    Failure failure{classify(sqlstate, Phase::connecting), text, parameter_at_fault(sqlstate)};
    // invalid_parameter_value, which only the text says the name of
    if (sqlstate == "22023" && text.find("client_encoding") != std::string::npos)
        failure.parameter = "encoding";
    if (text.find("no password supplied") != std::string::npos) {
        failure.kind = FailureClass::configuration;
        failure.parameter = "user";
    }
    // libpq goes by the name of the system's user then.
    if (failure.parameter == "user" && !current_.contains("user"))
        failure.message += fmt::format("; user is not set in the {}", is_uri(host_) ? "URI" : "table file");
    attempt_failed(failure);
}

void Connector::attempt_failed(const Failure& failure) {
    address_timer_->stop();
    watch_.reset();
    connection_.reset();
    // What a server said counts for more than that another address has none.
    const bool said = last_failure_.kind == FailureClass::configuration ||
                      last_failure_.kind == FailureClass::too_many_connections;
    if (!said || failure.kind != FailureClass::unreachable) last_failure_ = failure;
    if (!addresses_.empty()) {
        const auto next = std::move(addresses_.back());
        addresses_.pop_back();
        try_address(next);
        return;
    }
    next_endpoint();
}

}  // namespace proxyd::pgsql
