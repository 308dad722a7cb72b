// The names of tables in requests, main.cf and master.cf: "type:name", possibly after one or more "proxy:".
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace proxyd::protocol {

inline constexpr std::string_view proxy_prefix{"proxy:"};

// Table types whose tables are made of other tables (DATABASE_README).
inline constexpr std::array<std::string_view, 2> composite_types{"unionmap", "pipemap"};

// The views point into the parsed text.
struct TableName {
    std::string_view text;  // the whole, without "proxy:"
    std::string_view type;  // the text before the first colon; the whole text without a colon
    std::string_view name;  // the text after the first colon
    bool has_type = false;  // there is a colon
    bool proxied = false;   // "proxy:" stood in front

    // Parses any text; no text is refused here.
    [[nodiscard]] static constexpr TableName parse(std::string_view text) {
        const bool proxied = text.starts_with(proxy_prefix);
        while (text.starts_with(proxy_prefix)) text.remove_prefix(proxy_prefix.size());
        const auto colon = text.find(':');
        if (colon == std::string_view::npos) return {text, text, {}, false, proxied};
        return {text, text.substr(0, colon), text.substr(colon + 1), true, proxied};
    }
};

// The text before the first colon.
[[nodiscard]] constexpr std::string_view type_of(std::string_view table) {
    return TableName::parse(table).type;
}

[[nodiscard]] constexpr bool is_composite_type(std::string_view type) {
    return std::find(composite_types.begin(), composite_types.end(), type) != composite_types.end();
}

}  // namespace proxyd::protocol
