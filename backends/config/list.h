// Splitting of list values on commas and white space, with and without {} grouping.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxyd::config {

// Items between commas, spaces, tabs, CR, LF. Empty items are left out.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

// The same, but separators inside {...} (nesting counted) do not split; an unclosed { extends to the end.
[[nodiscard]] std::vector<std::string> split_list_with_braces(std::string_view text);

// The inside of "{ ... }" with surrounding blanks removed. No value, and `error` says why, when the matching
// brace is missing or is not the last character.
[[nodiscard]] std::optional<std::string> strip_braces(std::string_view text, std::string& error);

// Without white space at both ends. White space is ASCII space, \t \r \n \v \f.
[[nodiscard]] std::string_view trim(std::string_view text);

}  // namespace proxyd::config
