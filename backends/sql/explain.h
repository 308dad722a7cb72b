// Which queries a server can look at without running them.
#pragma once

#include "backends/sql/analysis.h"
#include "backends/sql/template.h"

namespace proxyd::table {

// Whether the server can be asked to EXPLAIN the query without the risk that it changes something: a single
// statement that only reads, or one whose first word is no verb of SQL, so that it must be a mistake.
[[nodiscard]] bool is_safe_to_explain(const Template& query, const SqlAnalysis& analysis);

}  // namespace proxyd::table
