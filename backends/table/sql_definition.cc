#include "backends/table/sql_definition.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backends/sql/query_text.h"

namespace proxyd::table {

namespace {

constexpr std::size_t context = 30;  // bytes shown on each side of a mistake

// The text around the mistake of a template, without the passwords of the table. "" if the mistake is in a
// password.
std::string around_mistake(const std::string& shown) {
    std::string ignored;
    std::size_t at = 0;
    if (sql::parse_template(shown, ignored, &at)) return {};
    const auto inside = [&shown](std::size_t place) {
        return place < shown.size() && (static_cast<unsigned char>(shown[place]) & 0xC0U) == 0x80U;
    };
    auto begin = at - std::min(at, context);
    auto end = std::min(at + context, shown.size());
    while (begin < at && inside(begin)) ++begin;
    while (end > at + 1 && inside(end)) --end;
    return fmt::format("{}{}{}", begin > 0 ? "..." : "", shown.substr(begin, end - begin),
                       end < shown.size() ? "..." : "");
}

}  // namespace

const std::vector<std::string_view>& common_parameter_names() {
    static const std::vector<std::string_view> names = {
        "query", "result_format", "domain",      "expansion_limit",
        "table", "select_field",  "where_field", "additional_conditions"};
    return names;
}

std::optional<SqlDefinition> read_sql_definition(TableParameters& parameters, sql::SqlDialect dialect,
                                                 bool utf8, const DomainList::ReadFile& read) {
    SqlDefinition definition;
    const auto text =
        sql::query_text(dialect, [&parameters](std::string_view name) { return parameters.text(name); });
    if (!text.problem.empty()) parameters.error("query", text.problem);

    std::string error;
    const auto parse = [&](std::string_view name, std::string_view source, sql::Template& into) {
        auto parsed = sql::parse_template(source, error);
        if (parsed) {
            into = std::move(*parsed);
        } else {
            const auto shown = around_mistake(parameters.secrets().hide(source));
            parameters.error(name, shown.empty() ? fmt::format("{}: {}", name, error)
                                                 : fmt::format("{} = {}: {}", name, shown, error));
        }
    };
    if (text.problem.empty()) parse("query", text.text, definition.query);
    const auto format = parameters.required("result_format", "%s");
    parse("result_format", format, definition.result_format);
    definition.demands = sql::key_demands(definition.query, definition.result_format);
    definition.expansion_limit = parameters.integer("expansion_limit", 0);

    auto domains = DomainList::parse(parameters.text("domain", ""), read, utf8, error);
    if (domains) {
        for (const auto& warning : domains->warnings()) parameters.warning("domain", warning);
        definition.domains = std::move(*domains);
    } else {
        parameters.error("domain", error);
    }
    definition.analysis = sql::analyse(definition.query, dialect);
    if (!definition.analysis.unquoted.empty()) {
        const auto& specifiers = definition.analysis.unquoted;
        parameters.warning("query",
                           fmt::format("{} not inside '...': the key is not safely quoted there: write '{}'",
                                       fmt::join(specifiers, " "), fmt::join(specifiers, "' '")));
    }
    for (const auto& advice : definition.analysis.session_advice) parameters.warning("query", advice);
    if (!definition.analysis.double_quoted.empty()) {
        const auto& specifiers = definition.analysis.double_quoted;
        parameters.warning("query",
                           fmt::format("{} inside \"...\": a server with ANSI_QUOTES in its sql_mode "
                                       "takes it for a column name: write it in '...'",
                                       fmt::join(specifiers, " ")));
    }
    if (!parameters.errors().empty()) return std::nullopt;
    return definition;
}

}  // namespace proxyd::table
