// Text as it may stand in a log line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd::logging {

// The longest text of one log line, in bytes, its severity included: what Postfix programs write at most.
inline constexpr std::size_t text_limit = 2000;

// `text` as one line, without line breaks at its end: line breaks and tabs become blanks, one where several
// stand together (libraries indent their further lines); every other byte that is not printable becomes `?`.
// 8-bit bytes stay only when `keep_utf8` is set (the site uses smtputf8) and they form valid UTF-8 other than
// a control character or one that changes the direction of what follows.
[[nodiscard]] std::string printable(std::string_view text, bool keep_utf8);

// Text for people to read on a terminal, which may have several lines: line breaks and tabs stay; all else
// that is not printable becomes `?`.
[[nodiscard]] std::string plain_text(std::string_view text);

// The first `limit` bytes of printable text at most, not ending within a UTF-8 sequence.
[[nodiscard]] std::string_view clipped(std::string_view text, std::size_t limit);

}  // namespace proxyd::logging
