#include "backends/mysql/error_class.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>

#include <errmsg.h>
#include <fmt/format.h>

namespace proxyd::mysql {
namespace {

using pool::FailureClass;

struct Row {
    unsigned number;
    FailureClass connecting;
    FailureClass querying;
};

// MariaDB knowledge base "MariaDB Error Codes"; MySQL reference manual "Server Error Message Reference" and
// "Client Error Message Reference". Other numbers: unreachable while connecting; later, a server's number is
// an error of the query, and a library's number is the end of the connection.
constexpr std::array rows{
    // the client library: the connection is gone, or never was
    Row{2000, FailureClass::unreachable, FailureClass::lost},    // CR_UNKNOWN_ERROR
    Row{2001, FailureClass::unreachable, FailureClass::lost},    // CR_SOCKET_CREATE_ERROR
    Row{2002, FailureClass::unreachable, FailureClass::lost},    // CR_CONNECTION_ERROR
    Row{2003, FailureClass::unreachable, FailureClass::lost},    // CR_CONN_HOST_ERROR
    Row{2006, FailureClass::unreachable, FailureClass::lost},    // CR_SERVER_GONE_ERROR
    Row{2012, FailureClass::unreachable, FailureClass::lost},    // CR_SERVER_HANDSHAKE_ERR
    Row{2013, FailureClass::unreachable, FailureClass::lost},    // CR_SERVER_LOST
    Row{2014, FailureClass::unreachable, FailureClass::lost},    // CR_COMMANDS_OUT_OF_SYNC
    Row{2027, FailureClass::unreachable, FailureClass::lost},    // CR_MALFORMED_PACKET
    Row{2055, FailureClass::unreachable, FailureClass::lost},    // CR_SERVER_LOST_EXTENDED
    Row{2019, FailureClass::configuration, FailureClass::lost},  // CR_CANT_READ_CHARSET
    Row{2026, FailureClass::configuration, FailureClass::lost},  // CR_SSL_CONNECTION_ERROR
    Row{2059, FailureClass::configuration, FailureClass::lost},  // CR_AUTH_PLUGIN_CANNOT_LOAD
    Row{2061, FailureClass::configuration, FailureClass::lost},  // CR_AUTH_PLUGIN_ERR
    // the server goes away
    Row{1053, FailureClass::unreachable, FailureClass::lost},  // ER_SERVER_SHUTDOWN
    Row{1077, FailureClass::unreachable, FailureClass::lost},  // ER_NORMAL_SHUTDOWN
    Row{1079, FailureClass::unreachable, FailureClass::lost},  // ER_SHUTDOWN_COMPLETE
    Row{1080, FailureClass::unreachable, FailureClass::lost},  // ER_FORCING_CLOSE
    Row{1158, FailureClass::unreachable, FailureClass::lost},  // ER_NET_READ_ERROR
    Row{1159, FailureClass::unreachable, FailureClass::lost},  // ER_NET_READ_INTERRUPTED
    Row{1160, FailureClass::unreachable, FailureClass::lost},  // ER_NET_ERROR_ON_WRITE
    Row{1161, FailureClass::unreachable, FailureClass::lost},  // ER_NET_WRITE_INTERRUPTED
    Row{1184, FailureClass::unreachable, FailureClass::lost},  // ER_NEW_ABORTING_CONNECTION
    Row{1317, FailureClass::unreachable, FailureClass::lost},  // ER_QUERY_INTERRUPTED: KILL
    Row{1927, FailureClass::unreachable, FailureClass::lost},  // ER_CONNECTION_KILLED
    Row{3169, FailureClass::unreachable, FailureClass::lost},  // ER_SESSION_WAS_KILLED
    Row{4031, FailureClass::unreachable,
        FailureClass::lost},  // ER_CLIENT_INTERACTION_TIMEOUT: wait_timeout (MySQL 8)
    // a Galera node that is isolated, or not in step with the others yet
    Row{1047, FailureClass::not_serving, FailureClass::not_serving},  // ER_UNKNOWN_COM_ERROR
    // back-pressure
    Row{1040, FailureClass::too_many_connections, FailureClass::query},  // ER_CON_COUNT_ERROR
    Row{1203, FailureClass::too_many_connections, FailureClass::query},  // ER_TOO_MANY_USER_CONNECTIONS
    Row{1226, FailureClass::too_many_connections, FailureClass::query},  // ER_USER_LIMIT_REACHED
    Row{1135, FailureClass::too_many_connections, FailureClass::query},  // ER_CANT_CREATE_THREAD
    // rolled back in favour of another transaction
    Row{1213, FailureClass::unreachable, FailureClass::conflict},  // ER_LOCK_DEADLOCK
    // only an administrator can correct it
    Row{1044, FailureClass::configuration, FailureClass::query},  // ER_DBACCESS_DENIED_ERROR
    Row{1045, FailureClass::configuration, FailureClass::query},  // ER_ACCESS_DENIED_ERROR
    Row{1049, FailureClass::configuration, FailureClass::query},  // ER_BAD_DB_ERROR
    Row{1115, FailureClass::configuration, FailureClass::query},  // ER_UNKNOWN_CHARACTER_SET
    Row{1130, FailureClass::configuration, FailureClass::query},  // ER_HOST_NOT_PRIVILEGED
    Row{1129, FailureClass::configuration, FailureClass::query},  // ER_HOST_IS_BLOCKED
    Row{1251, FailureClass::configuration, FailureClass::query},  // ER_NOT_SUPPORTED_AUTH_MODE
    Row{1275, FailureClass::configuration, FailureClass::query},  // ER_SERVER_IS_IN_SECURE_AUTH_MODE
    Row{1524, FailureClass::configuration, FailureClass::query},  // ER_PLUGIN_IS_NOT_LOADED
    Row{1698, FailureClass::configuration, FailureClass::query},  // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    Row{1820, FailureClass::configuration, FailureClass::query},  // ER_MUST_CHANGE_PASSWORD
    Row{1862, FailureClass::configuration, FailureClass::query},  // ER_MUST_CHANGE_PASSWORD_LOGIN
    Row{3118, FailureClass::configuration, FailureClass::query},  // ER_ACCOUNT_HAS_BEEN_LOCKED
    Row{3159, FailureClass::configuration, FailureClass::query},  // ER_SECURE_TRANSPORT_REQUIRED
    Row{4151, FailureClass::configuration, FailureClass::query},  // ER_ACCOUNT_HAS_BEEN_LOCKED (MariaDB)
};

constexpr unsigned tls_error = 2026;

// Whether the handshake was cut off or stalled, and no certificate or cipher was refused. The library then
// gives only the system's error, with its number in parentheses.
bool is_network_trouble(std::string_view tls_text) {
    for (const auto number : {EPIPE, ECONNRESET, ECONNABORTED, ETIMEDOUT, EAGAIN, EINPROGRESS, ENOTCONN}) {
        if (tls_text.ends_with(fmt::format("({})", number))) return true;
    }
    return tls_text.find("unexpected eof") != std::string_view::npos;
}

bool contains_no_case(std::string_view text, std::string_view lower) {
    return std::search(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
               return std::tolower(static_cast<unsigned char>(a)) == b;
           }) != text.end();
}

}  // namespace

FailureClass classify(unsigned error_number, Phase phase, std::string_view text) {
    if (error_number == tls_error && phase == Phase::connecting && is_network_trouble(text))
        return FailureClass::unreachable;
    for (const auto& row : rows) {
        if (row.number == error_number) return phase == Phase::connecting ? row.connecting : row.querying;
    }
    if (phase == Phase::connecting) return FailureClass::unreachable;
    return is_of_library(error_number) ? FailureClass::lost : FailureClass::query;
}

bool is_of_library(unsigned error_number) {
    return error_number == 0 || (error_number >= CR_MIN_ERROR && error_number <= CR_MAX_ERROR) ||
           (error_number >= CER_MIN_ERROR && error_number <= CER_MAX_ERROR);
}

bool is_of_account(unsigned error_number) {
    return error_number == 1820 || error_number == 1862 || error_number == 3118 || error_number == 4151;
}

std::string_view parameter_at_fault(unsigned error_number) {
    switch (error_number) {
        case 1044:
        case 1049: return "dbname";
        case 1045:
        case 1698:
        case 1820:
        case 1862:
        case 3118:
        case 4151: return "user";
        case 1115:
        case 2019: return "charset";
        default: return {};
    }
}

std::string_view hint(unsigned error_number, std::string_view text) {
    switch (error_number) {
        case 1305:
        case 1370:  // the same, for accounts that may not execute everything
            // Functions of MySQL before 9.7
            for (const std::string_view name : {".md5 ", ".sha ", ".sha1 ", ".md5'", ".sha'", ".sha1'"}) {
                if (contains_no_case(text, name))
                    return "since MySQL 9.7 this function is a component: INSTALL COMPONENT "
                           "'file://component_classic_hashing'";
            }
            return "";
        case CR_MALFORMED_PACKET: return "a MySQL Router that reaches no server says so";
        case 1820:
        case 1862:
            return "the password of the account has expired: ALTER USER ... IDENTIFIED BY ..., with PASSWORD "
                   "EXPIRE NEVER "
                   "for an account of a program";
        case 3118:
        case 4151: return "unlock the account: ALTER USER ... ACCOUNT UNLOCK";
        case 3159: return "set tls_verify_cert = yes, or tls_CAfile";
        case 2059:
        case 2061:
        case 1251:
            return "the client library lacks the authentication plugin of this account: on Debian the "
                   "package libmariadb3 has caching_sha2_password, client_ed25519 and sha256_password";
        case tls_error:
            // The library's words; no other TLS error is the server's fault.
            if (text.find("server does not support it") != std::string_view::npos)
                return "have TLS set up on the server (ssl_cert and ssl_key), or remove tls_verify_cert = "
                       "yes";
            return "see TLS in proxyd_table(5)";
        default: return "";
    }
}

pool::Failure failure_of(Handle& handle, Phase phase) {
    const auto number = handle.error_number();
    const auto said = handle.error_text();
    const auto kind = classify(number, phase, said);
    auto text = fmt::format("{} (error {})", said, number);
    const bool lasting = kind == FailureClass::configuration || kind == FailureClass::query;
    const bool helps = lasting || (number == CR_MALFORMED_PACKET && phase == Phase::connecting);
    if (const auto what_to_do = hint(number, said); helps && !what_to_do.empty())
        text += fmt::format("; {}", what_to_do);
    return {kind, text, phase == Phase::connecting ? parameter_at_fault(number) : std::string_view{}};
}

}  // namespace proxyd::mysql
