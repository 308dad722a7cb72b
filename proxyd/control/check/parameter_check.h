// The checks of a table's parameters that need neither its database nor another file's text.
#pragma once

#include <string>
#include <vector>

#include "backends/table/table_parameters.h"
#include "proxyd/control/check/doubt.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/control/check/table_type_facts.h"

namespace proxyd::control {

// `file` is the file of the parameters. Returns the findings that the database may yet refute.
[[nodiscard]] std::vector<Doubt> check_parameters(const TableTypeFacts& type,
                                                  const table::TableParameters& parameters,
                                                  const std::string& file, Findings& findings);

}  // namespace proxyd::control
