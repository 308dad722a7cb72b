// A table's query for SQLite: bound where that has the same meaning, otherwise expanded with quotes doubled.
#pragma once

#include "backends/sql/analysis.h"
#include "backends/sql/template.h"

namespace proxyd::sqlite {

struct Statement {
    sql::Template query;
    sql::SqlAnalysis analysis;
};

}  // namespace proxyd::sqlite
