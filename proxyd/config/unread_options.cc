#include "proxyd/config/unread_options.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "backends/config/parameter_file.h"
#include "protocol/table_name.h"
#include "proxyd/config/options.h"

namespace proxyd {
namespace {

bool belongs_to_table(std::string_view name, const postfix::ApprovedTables& approved) {
    return std::any_of(approved.tables().begin(), approved.tables().end(), [name](std::string_view table) {
        const auto prefix = protocol::TableName::parse(table).name;
        return !prefix.starts_with('/') && name.size() > prefix.size() && name.starts_with(prefix) &&
               name[prefix.size()] == '_';
    });
}

}  // namespace

std::vector<std::string> unread_options(const postfix::Overrides& overrides, const postfix::MainCf* main_cf,
                                        const postfix::ApprovedTables& approved) {
    std::vector<std::string_view> ours;
    for (const auto& option : option_infos()) ours.push_back(option.name);
    auto candidates = ours;
    if (main_cf != nullptr) candidates.insert(candidates.end(), {"proxy_read_maps", "proxy_write_maps"});
    std::vector<std::string> texts;
    for (const auto& [name, value] : overrides) {
        if (std::find(ours.begin(), ours.end(), name) != ours.end()) continue;
        if (main_cf != nullptr && (main_cf->has_default(name) || main_cf->refers_to(name))) continue;
        if (main_cf != nullptr && belongs_to_table(name, approved)) continue;
        const auto nearest = config::nearest_name(name, candidates);
        texts.push_back(fmt::format(
            "-o {} is ignored: {} of this name{}", name,
            main_cf != nullptr ? "neither proxyd nor Postfix has a parameter" : "proxyd has no option",
            nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest)));
    }
    return texts;
}

}  // namespace proxyd
