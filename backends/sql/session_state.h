// The state that a query may leave in the session of its connection, whose next query may be another table's.
#pragma once

#include <string>
#include <vector>

#include "backends/sql/lexer.h"

namespace proxyd::sql {

struct SessionState {
    // False: each statement only reads or writes rows, and its effect on the session ends with the answer.
    // The query does not show what a user-defined function or a trigger sets.
    bool left = false;

    // Advice about functions and variables that live in the session: their fate, and the right form.
    std::vector<std::string> advice;
};

[[nodiscard]] SessionState session_state(const std::vector<SqlUnit>& units, const SqlTokens& lexed,
                                         SqlDialect dialect);

}  // namespace proxyd::sql
