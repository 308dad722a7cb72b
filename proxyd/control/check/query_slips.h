// Slips of the pen in the text of a query: quotation marks and spaces that SQL does not know, an unclosed
// quote.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/sql/analysis.h"
#include "proxyd/control/check/finding.h"

namespace proxyd::control {

struct QuerySlip {
    Gravity gravity = Gravity::error;  // an error: no known server accepts it
    std::string text;                  // the mistake and its correction
};

// Searches one parameter's value, which is a template. `whole`: the value is a query by itself. Finds nothing
// in text that is no template.
[[nodiscard]] std::vector<QuerySlip> find_query_slips(sql::SqlDialect dialect, std::string_view value,
                                                      bool whole);

}  // namespace proxyd::control
