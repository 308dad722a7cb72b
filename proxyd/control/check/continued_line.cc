#include "proxyd/control/check/continued_line.h"

#include <algorithm>
#include <array>

namespace proxyd::control {

std::string continued_parameter(std::string_view name, std::string_view value,
                                const std::vector<std::string>& known) {
    constexpr std::array<std::string_view, 3> never_in_sql = {"dbpath", "expansion_limit", "result_format"};
    constexpr std::array<std::string_view, 4> sql = {"query", "select_function", "additional_conditions",
                                                     "result_format"};
    constexpr std::array<std::string_view, 4> of_connections = {"user", "password", "dbname", "hosts"};
    const auto among = [](std::string_view word, const auto& words) {
        return std::find(words.begin(), words.end(), word) != words.end();
    };
    for (const auto& word : known) {
        if (among(name, sql) && !among(word, never_in_sql)) continue;
        if ((name == "dbname" || name == "hosts") && among(word, of_connections)) continue;
        for (auto at = value.find(word); at != std::string_view::npos; at = value.find(word, at + 1)) {
            const auto behind = value.find_first_not_of(" \t", at + word.size());
            const bool begins = at > 0 && (value[at - 1] == ' ' || value[at - 1] == '\t');
            if (begins && behind != std::string_view::npos && value[behind] == '=') return word;
        }
    }
    return {};
}

}  // namespace proxyd::control
