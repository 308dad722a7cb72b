// Finds the queries that a server can check without running them.
#pragma once

#include "backends/sql/analysis.h"
#include "backends/sql/template.h"

namespace proxyd::sql {

// Whether the server can EXPLAIN the query without the risk of a change: a single statement that only reads,
// or one whose first word is no SQL verb, so that it must be a mistake.
[[nodiscard]] bool is_safe_to_explain(const Template& query, const SqlAnalysis& analysis);

}  // namespace proxyd::sql
