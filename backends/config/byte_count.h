// Amounts of bytes as people write them: 4096, 64K, 16M, 1G.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace proxyd::config {

// K, M and G, in either case, are 1024 bytes and their powers. No value: it is no such amount, or too large
// to count.
[[nodiscard]] std::optional<std::size_t> parse_byte_count(std::string_view text);

// In the largest unit that leaves no remainder, as parse_byte_count() reads it.
[[nodiscard]] std::string byte_count_text(std::size_t bytes);

}  // namespace proxyd::config
