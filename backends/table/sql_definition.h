// What a table file of an SQL type says, apart from the database it names.
#pragma once

#include <optional>

#include "backends/sql/analysis.h"
#include "backends/sql/template.h"
#include "backends/table/domain_list.h"
#include "backends/table/table_parameters.h"

namespace proxyd::table {

struct SqlDefinition {
    Template query;
    Template result_format;
    KeyDemands demands;
    DomainList domains;
    int expansion_limit = 0;  // <= 0: no limit
    SqlAnalysis analysis;
};

// Reads the parameters that all SQL types have. No value when the table cannot be used; `parameters` then has
// errors.
[[nodiscard]] std::optional<SqlDefinition> read_sql_definition(TableParameters& parameters,
                                                               SqlDialect dialect, bool utf8,
                                                               const DomainList::ReadFile& read);

}  // namespace proxyd::table
