// PostgreSQL's SQLSTATE codes -> what the pool does about them.
#pragma once

#include <string_view>

#include "backends/cluster/phase.h"
#include "backends/pool/failure.h"

namespace proxyd::pgsql {

// Where the error was met: some codes mean another thing while connecting.
using cluster::Phase;

// `sqlstate` has five characters, or is empty when the failure did not come from the server.
[[nodiscard]] pool::FailureClass classify(std::string_view sqlstate, Phase phase);

// Whether libpq itself refuses to go on with the connection, by its message: it has no codes. What an
// administrator must correct: TLS or GSSAPI that was asked for and cannot be had, files that are missing.
[[nodiscard]] bool is_refusal_of_library(std::string_view message);

// Whether libpq has found that the server's role is not the one that target_session_attrs asks for. `message`
// is libpq's own; it has no SQLSTATE.
[[nodiscard]] bool is_other_role(std::string_view message);

// The parameter of the table that a failure to connect is about, "dbname" or "user"; "" when it is not
// certain.
[[nodiscard]] std::string_view parameter_at_fault(std::string_view sqlstate);

// What an administrator can do about a failure to connect, to be added to the message; "" when the message
// says it all. `text` is the server's.
[[nodiscard]] std::string_view hint(std::string_view sqlstate, std::string_view text);

// Codes that say that the statement must be sent in another way, with the same meaning.
enum class Remedy {
    none,
    prepare_again,    // the result type changed under a cached plan
    without_prepare,  // a pooler in between does not keep prepared statements
    as_text,          // the server cannot find the type of a bound parameter
};
// `source` is the function of the server that met the error, or empty when it is not known: queries can raise
// any code.
[[nodiscard]] Remedy remedy(std::string_view sqlstate, std::string_view source, bool while_preparing);

}  // namespace proxyd::pgsql
