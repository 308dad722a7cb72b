// Finds the option of connection text or of a URI that libpq does not know.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace proxyd::pgsql {

// `unknown option "sslmod", did you mean "sslmode"?`. No value: there is none, or the unknown word may be a
// piece of a password.
[[nodiscard]] std::optional<std::string> find_unknown_option(std::string_view text);

}  // namespace proxyd::pgsql
