// A parameter of a table file that was written as the rest of the one before.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proxyd::control {

// The parameter whose line has been taken for the rest of this value, as far as that is certain: SQL has
// columns of such names, and connection text has parameters.
// `known` are the names that such a table has. "": none.
[[nodiscard]] std::string continued_parameter(std::string_view name, std::string_view value,
                                              const std::vector<std::string>& known);

}  // namespace proxyd::control
