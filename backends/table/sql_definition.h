// What a table file of an SQL type says, apart from the database it names.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

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

// The parameters that read_sql_definition() reads; those of one type come from its backend, and those that
// stand for options of the daemon from their declarations.
[[nodiscard]] const std::vector<std::string_view>& common_parameter_names();

// Reads the parameters that all SQL types have. No value when the table cannot be used; `parameters` then has
// errors.
[[nodiscard]] std::optional<SqlDefinition> read_sql_definition(TableParameters& parameters,
                                                               SqlDialect dialect, bool utf8,
                                                               const DomainList::ReadFile& read);

}  // namespace proxyd::table
