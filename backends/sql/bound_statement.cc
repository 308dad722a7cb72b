#include "backends/sql/bound_statement.h"

#include <algorithm>

namespace proxyd::sql {

std::string parameter_value(const BoundParameter& parameter, const KeyParts& key) {
    std::string value;
    write_parameter_value(parameter, key, value);
    return value;
}

void write_parameter_value(const BoundParameter& parameter, const KeyParts& key, std::string& value) {
    value.clear();
    for (const TemplatePart& part : parameter.parts) {
        value += part.text;
        if (part.specifier) value += query_value(key, part);
    }
}

bool binds_whole_key(const BoundStatement& statement) {
    return std::any_of(statement.parameters.begin(), statement.parameters.end(), [](const auto& parameter) {
        return std::any_of(parameter.parts.begin(), parameter.parts.end(), [](const TemplatePart& part) {
            return part.specifier == Specifier::value || part.specifier == Specifier::key;
        });
    });
}

}  // namespace proxyd::sql
