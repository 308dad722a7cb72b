// Finds out whether a query template can be sent as one statement with bound text parameters, with the same
// meaning.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/sql/bound_statement.h"
#include "backends/sql/dialect.h"
#include "backends/sql/template.h"

namespace proxyd::sql {

// The result of the scan of a template. `bound` has a value when every specifier is inside a plain '...'
// literal of a single statement that only reads.
struct SqlAnalysis {
    std::optional<BoundStatement> bound;
    std::string why_not;              // when not bound: for check and the log
    bool several_statements = false;  // text after a ';' that is more than blanks and comments
    bool may_write = false;        // does not begin with SELECT, WITH, VALUES or TABLE (or holds INSERT, ...)
    bool leaves_state = false;     // pgsql, mysql: it, or a key in it, may leave something in the session
    bool calls_functions = false;  // it calls functions other than well-known ones that only compute
    std::vector<std::string> unquoted;  // specifiers outside '...' (in mysql also outside "..."): unsafe
    std::vector<std::string>
        double_quoted;  // mysql: specifiers inside "...", which is a name if sql_mode has ANSI_QUOTES
    std::vector<std::string> session_advice;  // on functions and variables that live in the session
};

[[nodiscard]] SqlAnalysis analyse(const Template& query, SqlDialect dialect);

}  // namespace proxyd::sql
