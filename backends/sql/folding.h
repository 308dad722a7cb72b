// The valid lookup keys, and their folding.
#pragma once

#include <string>
#include <string_view>

namespace proxyd::sql {

// RFC 3629: no overlong forms, no surrogates, at most U+10FFFF, no truncated sequences.
[[nodiscard]] bool is_utf8(std::string_view text);

// Lower-cases A-Z and leaves every other byte alone.
[[nodiscard]] std::string fold_ascii(std::string_view text);

// Unicode default case folding (ICU), locale-independent; pure ASCII text takes the ASCII path. `text` must
// be valid UTF-8.
[[nodiscard]] std::string fold_utf8(std::string_view text);

// The parts of a key or result value that the template specifiers name. The views point into the text.
struct AddressParts {
    std::string_view user;  // up to the last '@'; all of it without one
    bool has_at = false;
    std::string_view domain;  // after the last '@'; empty without one
};
[[nodiscard]] AddressParts split_address(std::string_view text);

}  // namespace proxyd::sql
