#include "backends/table/inline_table.h"

#include "backends/config/list.h"

namespace proxyd::table {

namespace {

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Splits "name [blanks] = [blanks] value". The name has no blanks; it may be empty.
bool split_name_value(std::string_view text, std::string_view& name, std::string_view& value) {
    text = config::trim(text);
    std::size_t end = 0;
    while (end < text.size() && text[end] != '=' && !is_blank(text[end])) ++end;
    std::size_t equals = end;
    while (equals < text.size() && is_blank(text[equals])) ++equals;
    if (equals == text.size() || text[equals] != '=') return false;
    name = text.substr(0, end);
    value = config::trim(text.substr(equals + 1));
    return true;
}

}  // namespace

std::optional<InlineTable> InlineTable::parse(std::string_view text, std::string& error) {
    if (text.empty() || text.front() != '{') {
        error = "expected {name = value, ...}";
        return std::nullopt;
    }
    const std::optional<std::string> inside = config::strip_braces(text, error);
    if (!inside) return std::nullopt;
    InlineTable table;
    for (const std::string& item : config::split_list_with_braces(*inside)) {
        std::optional<std::string> entry = item;
        if (item.front() == '{') entry = config::strip_braces(item, error);
        if (!entry) return std::nullopt;
        std::string_view name;
        std::string_view value;
        if (!split_name_value(*entry, name, value)) {
            error = "expected name = value instead of \"" + *entry + "\"";
            return std::nullopt;
        }
        table.entries_.insert_or_assign(std::string(name), std::string(value));
    }
    if (table.entries_.empty()) {
        error = "empty table";
        return std::nullopt;
    }
    return table;
}

std::vector<std::string> InlineTable::keys() const {
    std::vector<std::string> keys;
    for (const auto& [key, value] : entries_) keys.push_back(key);
    return keys;
}

std::optional<std::string> InlineTable::find(std::string_view key) const {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    return found->second;
}

std::optional<std::string> static_value(std::string_view text, std::string& error) {
    if (text.empty()) {
        error = "expected a value after static:";
        return std::nullopt;
    }
    if (text.front() != '{') return std::string(text);
    return config::strip_braces(text, error);
}

}  // namespace proxyd::table
