#include "backends/table_types.h"

#include <array>

#include "backends/mysql/table_backend.h"
#include "backends/pgsql/table_backend.h"
#include "backends/sqlite/table_backend.h"
#include "protocol/table_name.h"

namespace proxyd {
namespace {

using Backend = std::unique_ptr<table::TableBackend>;

struct TableType {
    std::string_view name;
    Backend (*make)(Loop& loop, Resolver& resolver);
};

template <class TableBackend>
Backend make_with_resolver(Loop& loop, Resolver& resolver) {
    return std::make_unique<TableBackend>(loop, resolver);
}

Backend make_sqlite(Loop& loop, Resolver& /*of host names*/) {
    return std::make_unique<sqlite::TableBackend>(loop);
}

constexpr std::array<TableType, 3> table_types = {{
    {"pgsql", make_with_resolver<pgsql::TableBackend>},
    {"mysql", make_with_resolver<mysql::TableBackend>},
    {"sqlite", make_sqlite},
}};

}  // namespace

std::vector<std::string_view> sql_table_types() {
    std::vector<std::string_view> names;
    for (const auto& type : table_types) names.push_back(type.name);
    return names;
}

std::vector<std::string_view> served_table_types() {
    auto names = sql_table_types();
    names.insert(names.end(), protocol::composite_types.begin(), protocol::composite_types.end());
    return names;
}

std::vector<std::pair<std::string, Backend>> make_table_backends(Loop& loop, Resolver& resolver) {
    std::vector<std::pair<std::string, Backend>> backends;
    for (const auto& type : table_types) backends.emplace_back(type.name, type.make(loop, resolver));
    return backends;
}

}  // namespace proxyd
