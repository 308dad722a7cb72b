#include "backends/pgsql/error_class.h"

#include <algorithm>
#include <array>

namespace proxyd::pgsql {
namespace {

using pool::FailureClass;

struct Row {
    std::string_view prefix;  // of the SQLSTATE; the first matching row counts
    FailureClass connecting;
    FailureClass querying;
};

// PostgreSQL manual, appendix A "Error Codes".
constexpr std::array sqlstates{
    Row{"53300", FailureClass::too_many_connections, FailureClass::query},  // too_many_connections
    Row{"57P04", FailureClass::configuration, FailureClass::lost},          // database_dropped
    Row{"57P", FailureClass::unreachable, FailureClass::lost},     // shutting down, starting up, crash
    Row{"08", FailureClass::unreachable, FailureClass::lost},      // connection exceptions
    Row{"25P03", FailureClass::unreachable, FailureClass::lost},   // idle_in_transaction_session_timeout
    Row{"25P04", FailureClass::unreachable, FailureClass::query},  // transaction_timeout
    Row{"40", FailureClass::unreachable, FailureClass::conflict},  // rolled back; recovery on a standby
    Row{"58", FailureClass::unreachable, FailureClass::query},     // system errors
    Row{"53", FailureClass::unreachable, FailureClass::query},     // out of memory, disk full
    Row{"XX", FailureClass::unreachable, FailureClass::query},     // internal errors
    Row{"28", FailureClass::configuration, FailureClass::query},   // wrong password, pg_hba.conf
    Row{"3D", FailureClass::configuration, FailureClass::query},   // no such database
    Row{"42", FailureClass::configuration, FailureClass::query},   // no permission to connect; syntax
    Row{"22", FailureClass::configuration, FailureClass::query},   // no such encoding; bad data
    Row{"0A", FailureClass::configuration, FailureClass::query},   // not supported
    Row{"55", FailureClass::configuration, FailureClass::query},   // database not accepting connections
};

// Parts of libpq's messages, in its order of connecting. The daemon sets no locale, so they are not
// translated. Network errors have other messages.
constexpr std::array refusals{
    std::string_view("requirepeer specifies"),
    std::string_view("GSSAPI encryption required"),
    std::string_view("doesn't support GSSAPI encryption, but it was required"),
    std::string_view("does not support SSL, but SSL was required"),
    std::string_view("SSL protocol version"),  // ssl_min_protocol_version; the server has none in the range
    std::string_view("root certificate file"),
    std::string_view("certificate file \""),
    std::string_view("certificate present, but not private key"),
    std::string_view("private key file"),
    std::string_view("private SSL key"),
    std::string_view("SSL engine"),
    std::string_view("certificate verify failed"),
    std::string_view("does not match host name"),
    std::string_view("server's host name from server certificate"),
    std::string_view("alert unknown ca"),
    std::string_view("alert bad certificate"),
    std::string_view("alert certificate"),  // required, expired, revoked
    std::string_view("alert handshake failure"),
    std::string_view("alert protocol version"),
    std::string_view("channel binding"),
    std::string_view("authentication method"),  // require_auth; one that libpq does not know
};

}  // namespace

bool is_refusal_of_library(std::string_view message) {
    return std::any_of(refusals.begin(), refusals.end(), [message](std::string_view part) {
        return message.find(part) != std::string_view::npos;
    });
}

FailureClass classify(std::string_view sqlstate, Phase phase) {
    for (const auto& row : sqlstates) {
        if (sqlstate.starts_with(row.prefix))
            return phase == Phase::connecting ? row.connecting : row.querying;
    }
    if (phase == Phase::connecting) return FailureClass::unreachable;
    return sqlstate.empty() ? FailureClass::lost : FailureClass::query;
}

bool is_other_role(std::string_view message) {
    constexpr std::array<std::string_view, 4> roles{"session is read-only", "session is not read-only",
                                                    "server is in hot standby mode",
                                                    "server is not in hot standby mode"};
    return std::any_of(roles.begin(), roles.end(), [message](std::string_view role) {
        return message.find(role) != std::string_view::npos;
    });
}

std::string_view parameter_at_fault(std::string_view sqlstate) {
    // invalid_catalog_name, insufficient_privilege
    if (sqlstate == "3D000" || sqlstate == "42501") return "dbname";
    // invalid_authorization_specification, invalid_password
    if (sqlstate.starts_with("28")) return "user";
    return {};
}

std::string_view hint(std::string_view sqlstate, std::string_view text) {
    if (sqlstate != "28000" || text.find("pg_hba.conf") == std::string_view::npos) return {};
    if (text.find("no encryption") != std::string_view::npos ||
        text.find("SSL off") != std::string_view::npos)
        return "the connection was not encrypted, which entries of pg_hba.conf that begin with hostssl ask "
               "for: see "
               "sslmode";
    return "an entry of the server's pg_hba.conf must let this user in";
}

Remedy remedy(std::string_view sqlstate, std::string_view source, bool while_preparing) {
    const auto from = [source](std::string_view function) { return source.empty() || source == function; };
    // invalid_sql_statement_name, duplicate_prepared_statement
    if (sqlstate == "26000" && from("FetchPreparedStatement")) return Remedy::without_prepare;
    if (sqlstate == "42P05" && from("StorePreparedStatement")) return Remedy::without_prepare;
    // feature_not_supported: "cached plan must not change result type"
    if (sqlstate == "0A000" && !while_preparing && from("RevalidateCachedQuery"))
        return Remedy::prepare_again;
    // No such table or column, no permission: the text path would fail in the same way.
    if (sqlstate == "42P01" || sqlstate == "42703" || sqlstate == "42501") return Remedy::none;
    if (while_preparing && (sqlstate.starts_with("42") || sqlstate.starts_with("0A"))) return Remedy::as_text;
    return Remedy::none;
}

}  // namespace proxyd::pgsql
