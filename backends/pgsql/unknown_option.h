// Finds the option of connection text or of a URI that libpq does not know.
#pragma once

#include <string>
#include <string_view>

namespace proxyd::pgsql {

// `unknown option "sslmod", did you mean "sslmode"?`, or "" when there is none, or when the unknown word may
// be a piece of a password.
[[nodiscard]] std::string find_unknown_option(std::string_view text);

}  // namespace proxyd::pgsql
