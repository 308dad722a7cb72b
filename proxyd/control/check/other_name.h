// Parameter names of other programs, which table files have under another name.
#pragma once

#include <string>
#include <string_view>

#include "backends/sql/dialect.h"

namespace proxyd::control {

// The text to write in place of a parameter that tables of this dialect do not have, as in `"dbname"` or `the
// port behind the host, as in "hosts = 127.0.0.1:5432"`; "": not known.
[[nodiscard]] std::string write_instead(sql::SqlDialect dialect, std::string_view name);

}  // namespace proxyd::control
