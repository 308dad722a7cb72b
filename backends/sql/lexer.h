// Splits a query template into the tokens of its SQL dialect. It knows no grammar.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "backends/sql/dialect.h"
#include "backends/sql/template.h"

namespace proxyd::sql {

// One character of the template's text, or one specifier.
struct SqlUnit {
    char character = '\0';
    const TemplatePart* specifier = nullptr;  // points into the template
};
[[nodiscard]] std::vector<SqlUnit> sql_units(const Template& query);

// The specifier as written: "%s", "%3".
[[nodiscard]] std::string specifier_text(const TemplatePart& part);

enum class SqlTokenKind {
    word,  // keyword or bare identifier
    number,
    literal,           // '...' with no prefix
    escape_literal,    // pgsql E'...'
    prefixed_literal,  // B'...', X'...', N'...', U&'...' and whatever else touches the opening quote
    dollar_literal,    // pgsql $$...$$
    double_quoted,     // mysql "...": a string or an identifier, as the server's sql_mode has it
    identifier,        // "...", `...`, [...]
    open,
    close,
    comma,
    semicolon,
    op,           // one character of an operator or of other punctuation
    placeholder,  // $1, ?, :name ... in the dialects that have them
    specifier,    // outside all quotes
    bad,          // something without an end, or a NUL
};

struct SqlToken {
    SqlTokenKind kind = SqlTokenKind::bad;
    std::size_t begin = 0;  // units
    std::size_t end = 0;
    std::string text;        // of a word: in capitals; of an op: the character
    bool backslash = false;  // inside quotes
};

struct SqlTokens {
    std::vector<SqlToken> tokens;                  // without blanks and comments
    std::vector<const TemplatePart*> in_comments;  // specifiers
    bool executable_comment = false;               // mysql /*! ... */
    bool open_comment = false;                     // a comment without end, where the dialect wants one
};

[[nodiscard]] SqlTokens sql_tokens(const std::vector<SqlUnit>& units, SqlDialect dialect);

}  // namespace proxyd::sql
