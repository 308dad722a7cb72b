// The input is a table file. All files that its `domain` list names contain the same text, too.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backends/config/parameter_file.h"
#include "backends/mysql/table_backend.h"
#include "backends/pgsql/table_backend.h"
#include "backends/table/composite_table.h"
#include "backends/table/sql_definition.h"
#include "tests/fuzz/require.h"

namespace {

using namespace proxyd;
using config::ParameterFile;

void require_sound(const ParameterFile& file, std::string_view input) {
    std::string written;
    for (const auto& [name, parameter] : file.parameters) {
        require(!name.empty() && name.find_first_of(std::string_view(" \t\r\n\v\f=#\0", 9)) != 0);
        require(parameter.value.find('\0') == std::string::npos);
        require(parameter.line > 0 && static_cast<std::size_t>(parameter.line) <= input.size());
        written += name + " = " + parameter.value + '\n';
    }
    const ParameterFile again = config::parse_parameters(written, "again");
    require(again.errors.empty() && again.warnings.empty());
    require(again.parameters.size() == file.parameters.size());
    for (const auto& [name, parameter] : file.parameters) {
        require(again.find(name) != nullptr && again.find(name)->value == parameter.value);
    }
}

void require_sound(const table::DomainList& domains) {
    const std::string_view domain = "example.com";
    table::DomainMatch match = domains.match(domain);
    while (match.kind == table::DomainMatch::Kind::ask) {
        const std::size_t asked = match.index;
        require(match.table.find(':') != std::string::npos);
        match = domains.resume(domain, asked, false);
        require(match.kind != table::DomainMatch::Kind::ask || match.index > asked);
    }
    require((match.kind == table::DomainMatch::Kind::broken) == !match.reason.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    const ParameterFile file = config::parse_parameters(input, "/table.cf");
    require_sound(file, input);
    int reads = 0;
    const auto read = [&](const std::string& path, std::string& error) -> std::optional<std::string> {
        require(path.starts_with('/'));
        if (++reads <= 8) return std::string(input);
        error = "no more";
        return std::nullopt;
    };
    for (const sql::SqlDialect dialect :
         {sql::SqlDialect::pgsql, sql::SqlDialect::mysql, sql::SqlDialect::sqlite}) {
        auto parameters = table::TableParameters::from_file(file);
        const auto definition = read_sql_definition(parameters, dialect, true, read);
        require(definition.has_value() == parameters.errors().empty());
        if (definition) require_sound(definition->domains);
        if (dialect == sql::SqlDialect::pgsql) require(!pgsql::read_cluster(parameters).hosts.empty());
        if (dialect == sql::SqlDialect::mysql) require(!mysql::read_cluster(parameters).hosts.empty());
        for (const auto& problem : parameters.errors()) require(!parameters.describe(problem).empty());
    }
    if (const auto list = table::CompositeTable::parse(input)) require(!list->members.empty());
    return 0;
}
