// Slips of the pen in the values of a table: copied text, and notations that are valid in the files of other
// programs.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sql/analysis.h"
#include "backends/table/table_parameters.h"
#include "proxyd/control/check/doubt.h"

namespace proxyd::control {

// The line of a parameter; 0 when the file does not have it.
using LineOf = std::function<int(std::string_view parameter)>;

// `known` are the parameter names of the table; `file` is the file of its parameters.
[[nodiscard]] std::vector<Doubt> find_slips(sql::SqlDialect dialect, const table::TableParameters& parameters,
                                            const std::vector<std::string>& known, const std::string& file,
                                            const LineOf& line_of);

}  // namespace proxyd::control
