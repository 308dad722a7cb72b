// Slips of the pen in the values of a table: text that was copied from somewhere, and what other programs'
// files would let stand there.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sql/analysis.h"
#include "backends/table/table_parameters.h"
#include "proxyd/control/check/doubt.h"

namespace proxyd::control {

// Where a parameter stands: its line; 0 when it does not stand there.
using LineOf = std::function<int(std::string_view parameter)>;

// `known` are the names that such a table has; `file` is where its parameters stand.
[[nodiscard]] std::vector<Doubt> find_slips(table::SqlDialect dialect,
                                            const table::TableParameters& parameters,
                                            const std::vector<std::string>& known, const std::string& file,
                                            const LineOf& line_of);

}  // namespace proxyd::control
