#include "proxyd/control/check/checked_table.h"

#include <fmt/format.h>

#include "protocol/table_name.h"

namespace proxyd::control {

int line_of(const std::string& table, const table::TableParameters& parameters,
            const config::ParameterFile& main_cf, std::string_view parameter) {
    if (parameters.where() != "main.cf") return parameters.line(parameter);
    const auto prefix = protocol::TableName::parse(table).name;
    const auto* found = main_cf.find(fmt::format("{}_{}", prefix, parameter));
    return found != nullptr ? found->line : 0;
}

}  // namespace proxyd::control
