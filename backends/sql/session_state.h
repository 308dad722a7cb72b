// What a query may leave behind in the session of its connection, where the next one may be another table's.
#pragma once

#include <string>
#include <vector>

#include "backends/sql/lexer.h"

namespace proxyd::table {

struct SessionState {
    // False: each statement only reads or writes rows, which ends with its answer. What a function of the
    // site's own or a trigger sets cannot be seen in the query.
    bool left = false;

    // Of functions and variables that live in the session: what becomes of them, and what would be right.
    std::vector<std::string> advice;
};

[[nodiscard]] SessionState session_state(const std::vector<SqlUnit>& units, const SqlTokens& lexed,
                                         SqlDialect dialect);

}  // namespace proxyd::table
