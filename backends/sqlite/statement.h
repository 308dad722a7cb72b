// A table's query for SQLite: bound where that means the same, else expanded with quotes doubled.
#pragma once

#include <cstdint>

#include "backends/table/sql_literals.h"
#include "backends/table/template.h"

namespace proxyd::sqlite {

struct Statement {
    std::uint64_t id = 0;  // never used twice in one process
    table::Template query;
    table::SqlAnalysis analysis;
};

}  // namespace proxyd::sqlite
