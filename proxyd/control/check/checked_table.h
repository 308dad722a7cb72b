// A table whose file has been read, and that can be used.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/config/parameter_file.h"
#include "backends/table/sql_table.h"
#include "backends/table/table_parameters.h"
#include "proxyd/control/check/doubt.h"
#include "proxyd/control/check/table_type_facts.h"

namespace proxyd::control {

// The line of a table's parameter in its file, or in `main_cf`, which has it under another name; 0: it is not
// there.
[[nodiscard]] int line_of(const std::string& table, const table::TableParameters& parameters,
                          const config::ParameterFile& main_cf, std::string_view parameter);

struct CheckedTable {
    [[nodiscard]] int line_of(std::string_view parameter) const {
        return control::line_of(name, parameters, main_cf, parameter);
    }

    // They outlive the table.
    const TableTypeFacts& type;
    const config::ParameterFile& main_cf;

    std::string name;
    std::string where;  // the file of its parameters
    std::shared_ptr<table::SqlTable> table;
    table::TableParameters parameters;
    std::vector<std::string> files;  // the table is read from these
    std::string database_file{};     // absolute path, if the database is a file; or empty
    bool can_answer = true;          // false: its database cannot be opened, as reported already
    std::vector<Doubt> doubts{};     // not reported yet
};

}  // namespace proxyd::control
