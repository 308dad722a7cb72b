#include "backends/sql/query_text.h"

#include <utility>

namespace proxyd::sql {

QueryText query_text(SqlDialect dialect, const TableParameter& parameter) {
    const auto value = [&](std::string_view name) { return parameter(name).value_or(std::string()); };
    QueryText result;
    result.text = value("query");
    if (!result.text.empty()) return result;

    result.obsolete = true;
    if (dialect == SqlDialect::pgsql) {
        const std::string function = value("select_function");
        if (!function.empty()) {
            result.text = "SELECT " + function + "('%s')";
            return result;
        }
    }
    const std::string table = value("table");
    const std::string select_field = value("select_field");
    const std::string where_field = value("where_field");
    if (table.empty() && select_field.empty() && where_field.empty()) {
        result.problem = "no query: set the parameter query";
        return result;
    }
    for (const auto& [name, text] : {std::pair<const char*, const std::string&>{"table", table},
                                     {"select_field", select_field},
                                     {"where_field", where_field}}) {
        if (!text.empty()) continue;
        result.problem = "no query, and " + std::string(name) + " is not set: set the parameter query";
        return result;
    }
    // The blank before additional_conditions is there even when nothing follows, so the text is the same as
    // in Postfix.
    result.text = "SELECT " + select_field + " FROM " + table + " WHERE " + where_field + "='%s' " +
                  value("additional_conditions");
    return result;
}

}  // namespace proxyd::sql
