// Conversion of domain names between UTF-8 and their ASCII form (IDNA), by the rules of Postfix.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace proxyd::config {

// "bücher.example" as "xn--bcher-kva.example". ASCII text does not change. No value for an empty name, and
// for a text that cannot be a domain name.
[[nodiscard]] std::optional<std::string> domain_to_ascii(std::string_view domain);

// The reverse, in lower case. Text that is not ASCII does not change, nor does an empty name.
[[nodiscard]] std::optional<std::string> domain_to_utf8(std::string_view domain);

}  // namespace proxyd::config
