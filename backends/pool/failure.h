// Why a connection or a query failed, in the classes that decide what happens next.
#pragma once

#include <string>
#include <string_view>

namespace proxyd::pool {

enum class FailureClass {
    lost,                  // the connection broke or the server is going away: other connection, other host
    unreachable,           // no connection could be made: the host is down until a probe succeeds
    not_serving,           // it takes connections, but no queries (a Galera node that is alone): down, too
    too_many_connections,  // the server has no more: use those there are, try again later; the host is well
    unwanted,       // it serves, but not in the role that was asked for: another may, or this one later
    configuration,  // wrong password, no such database ...: nothing but an administrator can correct it
    query,          // the query itself: other hosts may know better, this host stays healthy
    conflict,       // the query gave way to something else: any host will do, this one again, too
    too_large,      // the answer is above its limit: final, and no trouble with the host
    resend,         // not an error: the driver found that the statement must be sent in another way
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

// No host could be asked, or none answered: what was asked has no part in it.
[[nodiscard]] constexpr bool is_trouble_with_hosts(FailureClass kind) {
    return kind == FailureClass::lost || kind == FailureClass::unreachable ||
           kind == FailureClass::not_serving || kind == FailureClass::too_many_connections ||
           kind == FailureClass::unwanted;
}

struct Failure {
    FailureClass kind = FailureClass::lost;
    std::string message;  // one line for the log; never holds a password
    // Of the table, that is at fault: "dbname", "user"; "" when that is not certain.
    std::string_view parameter{};
};

// The failure of a lookup whose answer is above its limit.
[[nodiscard]] inline Failure too_large() {
    return {FailureClass::too_large, "the answer is larger than answer_size_limit"};
}

}  // namespace proxyd::pool
