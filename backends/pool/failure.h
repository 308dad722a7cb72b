// Failures of connections and queries, in classes that decide what happens next.
#pragma once

#include <string>
#include <string_view>

namespace proxyd::pool {

enum class FailureClass {
    lost,         // the connection broke or the server shuts down: other connection, other host
    unreachable,  // no connection could be made: the host is down until a probe succeeds
    not_serving,  // the server takes connections, but no queries (an isolated Galera node): down, too
    too_many_connections,  // the server is full: use open connections, try later; the host is healthy
    unwanted,              // the server has another role than asked for: another host, or this one later
    configuration,         // wrong password, no such database ...: only an administrator can correct it
    query,                 // an error of the query: other hosts may answer it, this host stays healthy
    conflict,   // the server ended the query for another transaction: any host will do, this one, too
    too_large,  // the answer is above its limit: final; the host is healthy
    resend,     // not an error: the driver must send the statement in another way
};

[[nodiscard]] constexpr std::string_view name(FailureClass kind) {
    switch (kind) {
        case FailureClass::lost: return "connection lost";
        case FailureClass::unreachable: return "unreachable";
        case FailureClass::not_serving: return "not serving";
        case FailureClass::too_many_connections: return "too many connections";
        case FailureClass::unwanted: return "not wanted";
        case FailureClass::configuration: return "configuration";
        case FailureClass::query: return "query error";
        case FailureClass::conflict: return "conflict";
        case FailureClass::too_large: return "answer too large";
        case FailureClass::resend: return "resend";
    }
    return "";
}

// Whether the hosts failed (none could be asked, or none answered), and not the query.
[[nodiscard]] constexpr bool is_trouble_with_hosts(FailureClass kind) {
    return kind == FailureClass::lost || kind == FailureClass::unreachable ||
           kind == FailureClass::not_serving || kind == FailureClass::too_many_connections ||
           kind == FailureClass::unwanted;
}

struct Failure {
    FailureClass kind = FailureClass::lost;
    std::string message;  // one line for the log; never holds a password
    // The table parameter at fault: "dbname", "user"; "" when it is not certain.
    std::string_view parameter{};
};

// The failure of a lookup whose answer is above its limit.
[[nodiscard]] inline Failure too_large() {
    return {FailureClass::too_large, "the answer is larger than answer_size_limit"};
}

}  // namespace proxyd::pool
