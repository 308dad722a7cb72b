// The SQL dialect of a query: dialects differ in quoting, comments and placeholders.
#pragma once

#include <cstdint>

namespace proxyd::sql {

enum class SqlDialect : std::uint8_t { pgsql, mysql, sqlite };

}  // namespace proxyd::sql
