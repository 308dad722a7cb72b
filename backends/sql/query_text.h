// The query template of a table: `query`, or the combination of the older parameters (pgsql_table(5),
// OBSOLETE ...).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backends/sql/analysis.h"

namespace proxyd::sql {

// A parameter's value of this table. "" counts as not set.
using TableParameter = std::function<std::optional<std::string>(std::string_view name)>;

struct QueryText {
    std::string text;       // template text, not yet parsed; "" with a problem
    bool obsolete = false;  // not from `query`
    std::string problem;    // the missing parameter; "" when there is no problem
};

// `query` wins over select_function (pgsql only), which wins over table, select_field and where_field.
[[nodiscard]] QueryText query_text(SqlDialect dialect, const TableParameter& parameter);

}  // namespace proxyd::sql
