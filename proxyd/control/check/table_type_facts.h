// The facts about a table type that the checks need, from its backend.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "backends/sql/dialect.h"

namespace proxyd::control {

struct TableTypeFacts {
    std::string name;  // "mysql"
    sql::SqlDialect dialect = sql::SqlDialect::pgsql;
    std::vector<std::string> parameter_names;  // all that its tables have
    std::string file_parameter;                // names the database's file; "": the database is a server
    bool takes_several_statements = true;      // in one query

    [[nodiscard]] bool has_parameter(std::string_view parameter) const {
        return std::find(parameter_names.begin(), parameter_names.end(), parameter) != parameter_names.end();
    }
};

}  // namespace proxyd::control
