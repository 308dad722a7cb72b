// A query as one statement with bound text parameters.
#pragma once

#include <string>
#include <vector>

#include "backends/sql/template.h"

namespace proxyd::sql {

// One parameter: the parts of one quoted literal, unescaped, in order. '%u@%d' has three: %u, "@", %d.
struct BoundParameter {
    std::vector<TemplatePart> parts;
};

struct BoundStatement {
    std::string text;  // $1, $2 ... (pgsql) or ? (mysql, sqlite) replace the literals with specifiers
    std::vector<BoundParameter> parameters;
    // pgsql: some '...' holds a backslash; do not use this statement when standard_conforming_strings is off.
    bool backslash = false;
};

// The value of a bound parameter for this key.
[[nodiscard]] std::string parameter_value(const BoundParameter& parameter, const KeyParts& key);

// The same, in `value`, whose memory is used again.
void write_parameter_value(const BoundParameter& parameter, const KeyParts& key, std::string& value);

// Whether the statement depends on the whole key as it is: other keys are other queries.
[[nodiscard]] bool binds_whole_key(const BoundStatement& statement);

}  // namespace proxyd::sql
