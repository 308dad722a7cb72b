#include "backends/config/list.h"

#include "backends/config/white_space.h"

namespace proxyd::config {
namespace {

constexpr std::string_view separators = ", \t\r\n";

bool is_separator(char c) {
    return separators.find(c) != std::string_view::npos;
}

// The end of the item that starts at `begin`.
std::size_t item_end(std::string_view text, std::size_t begin, bool braces_group) {
    std::size_t depth = 0;
    for (std::size_t i = begin; i < text.size(); ++i) {
        const char c = text[i];
        if (depth == 0 && is_separator(c)) return i;
        if (!braces_group) continue;
        if (c == '{') ++depth;
        // A } without an open { is an ordinary character.
        if (c == '}' && depth > 0) --depth;
    }
    return text.size();
}

std::vector<std::string> split(std::string_view text, bool braces_group) {
    std::vector<std::string> items;
    std::size_t at = 0;
    while ((at = text.find_first_not_of(separators, at)) != std::string_view::npos) {
        const std::size_t end = item_end(text, at, braces_group);
        items.emplace_back(text.substr(at, end - at));
        at = end;
    }
    return items;
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
    return split(text, false);
}

std::vector<std::string> split_list_with_braces(std::string_view text) {
    return split(text, true);
}

std::optional<std::string> strip_braces(std::string_view text, std::string& error) {
    if (!text.starts_with('{')) {
        error = "missing '{' in \"" + std::string(text) + '"';
        return std::nullopt;
    }
    std::size_t depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '{') ++depth;
        if (text[i] != '}' || --depth > 0) continue;
        if (i + 1 != text.size()) {
            error = "text after '}' in \"" + std::string(text) + '"';
            return std::nullopt;
        }
        return std::string(trim(text.substr(1, i - 1)));
    }
    error = "missing '}' in \"" + std::string(text) + '"';
    return std::nullopt;
}

std::string_view trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(white_space);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(white_space) - begin + 1);
}

}  // namespace proxyd::config
