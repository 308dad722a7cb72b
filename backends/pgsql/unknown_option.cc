#include "backends/pgsql/unknown_option.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "backends/config/parameter_file.h"

namespace proxyd::pgsql {
namespace {

constexpr std::string_view blanks = " \t\r\n\v\f";

// The options of the libpq in use.
std::vector<std::string> known_options() {
    std::vector<std::string> names = {"ssl"};  // URIs know this one, too
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconndefaults(),
                                                                               PQconninfoFree);
    if (!options) return {};
    for (const auto* option = options.get(); option->keyword != nullptr; ++option)
        names.emplace_back(option->keyword);
    return names;
}

bool is_name(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    });
}

struct Option {
    std::string_view name;
    bool certain = true;  // false: it may be a piece of a password
};

// The options behind the '?'. A '?' in a password has an '@' behind it.
std::vector<Option> options_of_uri(std::string_view uri) {
    std::vector<Option> options;
    const auto query = uri.find('?');
    if (query == std::string_view::npos) return options;
    auto rest = uri.substr(query + 1);
    const bool certain = rest.find('@') == std::string_view::npos;
    while (!rest.empty()) {
        const auto item = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(item.size() + 1, rest.size()));
        options.push_back({item.substr(0, item.find('=')), certain});
    }
    return options;
}

// One past the end of the value that begins here.
std::size_t value_end(std::string_view text, std::size_t at) {
    const bool quoted = at < text.size() && text[at] == '\'';
    for (at += quoted ? 1 : 0; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (quoted ? text[at] == '\'' : blanks.find(text[at]) != std::string_view::npos) {
            return at + (quoted ? 1 : 0);
        }
    }
    return text.size();
}

// The rest of a password with a blank in it looks like something else.
std::vector<Option> options_of_text(std::string_view text) {
    std::vector<Option> options;
    bool certain = true;
    for (std::size_t at = 0; (at = text.find_first_not_of(blanks, at)) != std::string_view::npos;) {
        const auto equals = text.find('=', at);
        if (equals == std::string_view::npos) break;
        auto name = text.substr(at, equals - at);
        name = name.substr(0, name.find_last_not_of(blanks) + 1);
        options.push_back({name, certain});
        if (name.find("pass") != std::string_view::npos) certain = false;
        const auto value = text.find_first_not_of(blanks, equals + 1);
        at = value == std::string_view::npos ? text.size() : value_end(text, value);
    }
    return options;
}

}  // namespace

std::optional<std::string> find_unknown_option(std::string_view text) {
    const auto known = known_options();
    const std::vector<std::string_view> names(known.begin(), known.end());
    if (names.empty()) return std::nullopt;
    const bool uri = text.find("://") < text.find_first_of("=?");
    for (const auto& [name, certain] : uri ? options_of_uri(text) : options_of_text(text)) {
        if (!is_name(name) || std::find(names.begin(), names.end(), name) != names.end()) continue;
        const auto nearest = config::nearest_name(name, names);
        if (!certain && nearest.empty()) return std::nullopt;
        if (!certain) return fmt::format("unknown option, perhaps meant as \"{}\"", nearest);
        return fmt::format("unknown option \"{}\"{}", name,
                           nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest));
    }
    return std::nullopt;
}

}  // namespace proxyd::pgsql
