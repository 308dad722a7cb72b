#include "backends/table/composite_table.h"

#include <algorithm>

#include "backends/config/list.h"

namespace proxyd::table {

namespace {

constexpr std::string_view union_type = "unionmap:";
constexpr std::string_view pipe_type = "pipemap:";

}  // namespace

std::optional<CompositeTable> CompositeTable::parse(std::string_view table) {
    CompositeTable list;
    if (table.starts_with(union_type)) {
        list.kind = Kind::all;
        table.remove_prefix(union_type.size());
    } else if (table.starts_with(pipe_type)) {
        list.kind = Kind::chain;
        table.remove_prefix(pipe_type.size());
    } else {
        return std::nullopt;
    }
    std::string error;
    const auto inside = config::strip_braces(table, error);
    if (!inside) return std::nullopt;
    list.members = config::split_list_with_braces(*inside);
    const bool named = std::all_of(list.members.begin(), list.members.end(), [](const std::string& member) {
        return member.find(':') != std::string::npos;
    });
    if (list.members.empty() || !named) return std::nullopt;
    return list;
}

}  // namespace proxyd::table
