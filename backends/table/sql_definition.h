// The contents of a table file of an SQL type, apart from the database that it names.
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
    sql::Template query;
    sql::Template result_format;
    sql::KeyDemands demands;
    DomainList domains;
    int expansion_limit = 0;  // <= 0: no limit
    sql::SqlAnalysis analysis;
};

// The parameters that read_sql_definition() reads. A backend lists the parameters of its type; those that
// override options of the daemon are in the options' declarations.
[[nodiscard]] const std::vector<std::string_view>& common_parameter_names();

// Reads the parameters that all SQL types have. No value when the table cannot be used; the errors are then
// in `parameters`.
[[nodiscard]] std::optional<SqlDefinition> read_sql_definition(TableParameters& parameters,
                                                               sql::SqlDialect dialect, bool utf8,
                                                               const DomainList::ReadFile& read);

}  // namespace proxyd::table
