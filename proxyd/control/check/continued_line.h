// A parameter of a table file that was read as part of the one before.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace proxyd::control {

// The parameter whose line was read as part of this value; "": none. Only certain cases count, because SQL
// has columns of such names and connection text has such parameters. `known` are the parameter names of the
// table.
[[nodiscard]] std::string continued_parameter(std::string_view name, std::string_view value,
                                              const std::vector<std::string>& known);

}  // namespace proxyd::control
