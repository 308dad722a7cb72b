#include "backends/pgsql/error_class.h"

#include <array>

namespace proxyd::pgsql {
namespace {

using pool::FailureClass;

struct Row {
    std::string_view prefix;  // of the SQLSTATE; the first row that fits counts
    FailureClass connecting;
    FailureClass querying;
};

// PostgreSQL manual, appendix A "Error Codes".
constexpr std::array rows{
    Row{"53300", FailureClass::too_many_connections, FailureClass::query},  // too_many_connections
    Row{"57P04", FailureClass::configuration, FailureClass::lost},          // database_dropped
    Row{"57P", FailureClass::unreachable, FailureClass::lost},     // shutting down, starting up, crash
    Row{"08", FailureClass::unreachable, FailureClass::lost},      // connection exceptions
    Row{"25P03", FailureClass::unreachable, FailureClass::lost},   // idle_in_transaction_session_timeout
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

}  // namespace

FailureClass classify(std::string_view sqlstate, Phase phase) {
    for (const auto& row : rows) {
        if (sqlstate.starts_with(row.prefix))
            return phase == Phase::connecting ? row.connecting : row.querying;
    }
    if (phase == Phase::connecting) return FailureClass::unreachable;
    return sqlstate.empty() ? FailureClass::lost : FailureClass::query;
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
    // No such table or column, no permission: as text it would be the same.
    if (sqlstate == "42P01" || sqlstate == "42703" || sqlstate == "42501") return Remedy::none;
    if (while_preparing && (sqlstate.starts_with("42") || sqlstate.starts_with("0A"))) return Remedy::as_text;
    return Remedy::none;
}

}  // namespace proxyd::pgsql
