// A table's query for SQLite: bound where that means the same, else expanded with quotes doubled.
#pragma once

#include "backends/table/sql_literals.h"
#include "backends/table/template.h"

namespace proxyd::sqlite {

struct Statement {
    table::Template query;
    table::SqlAnalysis analysis;
};

}  // namespace proxyd::sqlite
