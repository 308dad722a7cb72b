// Domain names between UTF-8 and their ASCII form (IDNA), with the rules that Postfix has.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace proxyd::config {

// "bücher.example" as "xn--bcher-kva.example". What is ASCII already stays as it is. No value for an empty
// name, and for what cannot be a domain name.
[[nodiscard]] std::optional<std::string> domain_to_ascii(std::string_view domain);

// The other way round, in small letters. What is not ASCII stays as it is, and so does an empty name.
[[nodiscard]] std::optional<std::string> domain_to_utf8(std::string_view domain);

}  // namespace proxyd::config
