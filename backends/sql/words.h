// The meaning of SQL words for their position. Words are given in capitals.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "backends/sql/dialect.h"

namespace proxyd::sql {

template <std::size_t count>
[[nodiscard]] constexpr bool among(std::string_view word, const std::array<std::string_view, count>& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// Whether an expression begins after the word. After any other word a literal is an alias, or part of a typed
// literal (date '...'), or the grammar allows only a literal there.
[[nodiscard]] bool expression_follows(std::string_view word, SqlDialect dialect);

// Whether an operator that ends with this character has an expression on its right.
[[nodiscard]] bool operator_takes_expression(char c, SqlDialect dialect);

// PostgreSQL: whether arguments of the function may be of any type, so that it does not give a literal a
// type.
[[nodiscard]] bool takes_any_type(std::string_view function);

// PostgreSQL: whether the type casts a literal and a parameter alike. Intervals with fields and domains with
// a length do not.
[[nodiscard]] bool is_plain_type(std::string_view type);

// Whether the word followed by a parenthesis only computes: it is a built-in function of the server, or no
// function at all.
[[nodiscard]] bool only_computes(std::string_view word);

// Whether a statement of PostgreSQL, MySQL or MariaDB can begin with the word.
[[nodiscard]] bool is_verb(std::string_view word);

}  // namespace proxyd::sql
