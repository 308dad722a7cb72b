// Slips of the pen in the text of a query: quotation marks and spaces that SQL does not know, a quote that is
// not closed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/sql/analysis.h"
#include "proxyd/control/check/finding.h"

namespace proxyd::control {

struct QuerySlip {
    Gravity gravity = Gravity::error;  // an error: no server is known to take it
    std::string text;                  // what is wrong, and what would be right
};

// Of one parameter's value, which is a template; `whole`: it is a query by itself. Says nothing of text that
// is no template.
[[nodiscard]] std::vector<QuerySlip> find_query_slips(table::SqlDialect dialect, std::string_view value,
                                                      bool whole);

}  // namespace proxyd::control
