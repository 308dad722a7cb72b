// PostgreSQL's SQLSTATE codes -> the reaction of the pool.
#pragma once

#include <string_view>

#include "backends/cluster/phase.h"
#include "backends/pool/failure.h"

namespace proxyd::pgsql {

// The phase of the error: some codes have another meaning while connecting.
using cluster::Phase;

// `sqlstate` has five characters, or is empty when the failure did not come from the server.
[[nodiscard]] pool::FailureClass classify(std::string_view sqlstate, Phase phase);

// Whether libpq itself refused the connection, judged by its message, as it has no codes. An administrator
// must correct the cause: required TLS or GSSAPI is not available, or files are missing.
[[nodiscard]] bool is_refusal_of_library(std::string_view message);

// Whether the server's role is not the one that target_session_attrs asks for. `message` is libpq's own; it
// has no SQLSTATE.
[[nodiscard]] bool is_other_role(std::string_view message);

// The table parameter that a failure to connect is about: "dbname" or "user"; "" when it is not certain.
[[nodiscard]] std::string_view parameter_at_fault(std::string_view sqlstate);

// Advice for an administrator about a failure to connect, to be added to the message; "" when the message is
// enough. `text` is the server's.
[[nodiscard]] std::string_view hint(std::string_view sqlstate, std::string_view text);

// The other forms, with the same meaning, in which a statement is sent after certain codes.
enum class Remedy {
    none,             // the error stands
    prepare_again,    // the result type changed under a cached plan
    without_prepare,  // a pooler in between does not keep prepared statements
    as_text,          // the server cannot find the type of a bound parameter
};
// `source` is the function of the server that raised the error, or empty when it is not known: queries can
// raise any code.
[[nodiscard]] Remedy remedy(std::string_view sqlstate, std::string_view source, bool while_preparing);

}  // namespace proxyd::pgsql
