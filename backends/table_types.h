// The one list of the SQL table types that proxyd serves.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/event/loop.h"
#include "backends/event/resolver.h"
#include "backends/table/query_runner.h"

namespace proxyd {

// "pgsql", "mysql", "sqlite".
[[nodiscard]] std::vector<std::string_view> sql_table_types();

// These, and the CompositeTable types.
[[nodiscard]] std::vector<std::string_view> served_table_types();

// One backend of each SQL table type, by the type's name. The loop and the resolver outlive them. Throws
// std::runtime_error when a client library cannot be used.
[[nodiscard]] std::vector<std::pair<std::string, std::unique_ptr<table::TableBackend>>> make_table_backends(
    Loop& loop, Resolver& resolver);

}  // namespace proxyd
