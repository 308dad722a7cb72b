// Text for log lines and terminals.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd::logging {

// The longest text of one log line, in bytes, its severity included: Postfix programs write no more.
inline constexpr std::size_t text_limit = 2000;

// `text` as one line, without line breaks at its end. A line break or tab and the white space after it become
// one blank (libraries indent their further lines). Every other byte that is not printable becomes `?`. 8-bit
// bytes stay only when `keep_utf8` is set (the site uses smtputf8) and they form valid UTF-8 other than a
// control character or one that changes the direction or the lines of the text.
[[nodiscard]] std::string printable(std::string_view text, bool keep_utf8);

// Text for people to read on a terminal, perhaps of several lines. Line feeds and tabs stay; every other byte
// that is not printable, the carriage return included, becomes `?`.
[[nodiscard]] std::string plain_text(std::string_view text);

// At most the first `limit` bytes of printable text, without a cut UTF-8 sequence.
[[nodiscard]] std::string_view clipped(std::string_view text, std::size_t limit);

}  // namespace proxyd::logging
