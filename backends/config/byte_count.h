// Amounts of bytes in the usual notation: 4096, 64K, 16M, 1G.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace proxyd::config {

// K, M and G, in either case, are 1024 bytes and their powers. No value: the text is no such amount, or the
// amount is too large to count.
[[nodiscard]] std::optional<std::size_t> parse_byte_count(std::string_view text);

// In the largest unit that leaves no remainder, as parse_byte_count() reads it.
[[nodiscard]] std::string byte_count_text(std::size_t bytes);

}  // namespace proxyd::config
