// What the words of SQL tell about the place where they stand. Words are given in capitals.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "backends/sql/dialect.h"

namespace proxyd::table {

template <std::size_t count>
[[nodiscard]] constexpr bool among(std::string_view word, const std::array<std::string_view, count>& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// Whether an expression begins behind the word. Behind any other a literal is an alias, or part of a typed
// literal (date '...'), or it stands where the grammar wants a literal and nothing else.
[[nodiscard]] bool expression_follows(std::string_view word, SqlDialect dialect);

// Whether an operator that ends with this character has an expression on its right.
[[nodiscard]] bool operator_takes_expression(char c, SqlDialect dialect);

// PostgreSQL: whether arguments of the function may be of any type, so that it gives a literal none.
[[nodiscard]] bool takes_any_type(std::string_view function);

// PostgreSQL: whether a literal and a parameter are cast to the type alike. Not so: intervals with fields,
// and domains with a length.
[[nodiscard]] bool is_plain_type(std::string_view type);

// Whether what begins with the word and a parenthesis does nothing but compute: a function of the server's
// own, or no function at all.
[[nodiscard]] bool only_computes(std::string_view word);

// Whether a statement of PostgreSQL, MySQL or MariaDB can begin with the word.
[[nodiscard]] bool is_verb(std::string_view word);

}  // namespace proxyd::table
