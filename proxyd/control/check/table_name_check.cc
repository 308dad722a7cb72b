#include "proxyd/control/check/table_name_check.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "backends/table_types.h"
#include "protocol/table_name.h"

namespace proxyd::control {
namespace {

std::string example_with_type(std::string_view path) {
    constexpr std::string_view ending = ".cf";
    if (!path.ends_with(ending)) return fmt::format("proxy:hash:{}", path);
    return fmt::format("proxy:sqlite:{}, or proxy:hash:{}", path,
                       path.substr(0, path.size() - ending.size()));
}

// Leaves out built-in values, such as that of local_recipient_maps, if another parameter names the same
// table.
std::vector<TableUse> written(const std::vector<TableUse>& uses) {
    const auto is_repeated = [&](const TableUse& use) {
        return use.line == 0 && std::any_of(uses.begin(), uses.end(), [&](const TableUse& other) {
                   return other.line > 0 && other.table == use.table;
               });
    };
    std::vector<TableUse> kept;
    std::remove_copy_if(uses.begin(), uses.end(), std::back_inserter(kept), is_repeated);
    return kept;
}

}  // namespace

void check_missing_types(const PostfixFiles& files, Findings& findings) {
    for (const auto& use : written(
             find_typeless_uses(files.main_cf, files.main_cf_file, files.master_cf_path, files.services))) {
        findings.error(use.file, use.line,
                       fmt::format("{} asks for proxy:{}: the table type is missing: write for instance {}",
                                   use.parameter, use.table, example_with_type(use.table)));
    }
}

void note_direct_uses(const PostfixFiles& files, Findings& findings) {
    for (const auto& use : find_direct_uses(files.main_cf, files.main_cf_file, files.master_cf_path,
                                            files.services, sql_table_types())) {
        findings.note(use.file, use.line,
                      fmt::format("{0} asks for {1} itself, not by way of proxyd: write "
                                  "proxy:{1} to have proxyd asked",
                                  use.parameter, use.table));
    }
}

std::string working_directory(const postfix::MainCf& main_cf) {
    try {
        return main_cf.value("queue_directory");
    } catch (const config::ExpansionError&) {
        return {};
    }
}

std::string seen_from(const std::string& directory, const std::string& table) {
    const auto parsed = protocol::TableName::parse(table);
    if (directory.empty() || !parsed.name.starts_with('.')) return table;
    return fmt::format("{}:{}/{}", parsed.type, directory, parsed.name);
}

void tell_at_uses(const std::vector<TableUse>& uses, const TableUse& otherwise, Gravity gravity,
                  const std::string& text, Findings& findings) {
    const auto tell = [&](const TableUse& use) {
        const auto whole =
            fmt::format("{}{}", use.parameter.empty() ? "" : use.parameter + " asks for ", text);
        if (gravity == Gravity::error) {
            findings.error(use.file, use.line, whole);
        } else {
            findings.warning(use.file, use.line, whole);
        }
    };
    for (const auto& use : written(uses)) tell(use);
    if (uses.empty()) tell(otherwise);
}

}  // namespace proxyd::control
