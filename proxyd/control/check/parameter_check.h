// The checks of a table's parameters that need neither its database nor another file's text.
#pragma once

#include <string>
#include <vector>

#include "backends/table/table_parameters.h"
#include "proxyd/control/check/doubt.h"

namespace proxyd::control {

// `known` are the names that tables of this type have, `file` is where the parameters stand. Returns what the
// database may yet refute.
[[nodiscard]] std::vector<Doubt> check_parameters(const std::string& type,
                                                  const table::TableParameters& parameters,
                                                  const std::string& file,
                                                  const std::vector<std::string>& known, Findings& findings);

}  // namespace proxyd::control
