// Contradictions between a table's query, its domain list and the parameters that ask it. The database
// accepts such a query, but it cannot do what its text says.
#pragma once

#include <string>
#include <vector>

#include "backends/table/sql_definition.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/control/postfix/table_uses.h"

namespace proxyd::control {

// The places of the table's parameters.
struct TablePlace {
    std::string file;
    int query_line = 0;
    int domain_line = 0;
    int format_line = 0;
};

void check_meaning(const table::SqlDefinition& definition, const std::vector<TableUse>& uses,
                   const TablePlace& place, Findings& findings);

}  // namespace proxyd::control
