#include "proxyd/control/postfix/master_cf.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "backends/config/list.h"
#include "backends/config/parameter_file.h"
#include "proxyd/master/arguments.h"

namespace proxyd::control {
namespace {

// name, type, private, unprivileged, chroot, wake-up, limit, command
constexpr std::size_t fields_before_arguments = 8;

// Words between blanks; `{ ... }` is one word.
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    int depth = 0;
    bool in_word = false;
    for (const char c : text) {
        const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (blank && depth == 0) {
            in_word = false;
            continue;
        }
        if (!in_word) words.emplace_back();
        in_word = true;
        words.back() += c;
        if (c == '{') ++depth;
        if (c == '}' && depth > 0) --depth;
    }
    return words;
}

// The text after "-o" in a word, also after other letters: "-vo"; "" when the value is the next word; no
// value without "-o".
std::optional<std::string_view> behind_o(std::string_view word) {
    if (!word.starts_with('-')) return std::nullopt;
    const auto letter = word.find_first_not_of(master::flag_letters, 1);
    if (letter == word.npos || word[letter] != 'o') return std::nullopt;
    return word.substr(letter + 1);
}

void add_override(MasterService& service, std::string_view text) {
    std::string inside(text);
    if (text.starts_with('{')) {
        std::string error;
        inside = config::strip_braces(text, error).value_or("");
    }
    const auto equals = inside.find('=');
    if (equals == std::string::npos) return;
    service.overrides.emplace_back(config::trim(std::string_view(inside).substr(0, equals)),
                                   config::trim(std::string_view(inside).substr(equals + 1)));
}

}  // namespace

int line_of_option(std::string_view master_cf, int line, std::string_view name) {
    constexpr std::string_view blanks = " \t";
    for (int number = 1; !master_cf.empty(); ++number) {
        const auto end = std::min(master_cf.find('\n'), master_cf.size());
        const auto text = master_cf.substr(0, end);
        master_cf.remove_prefix(std::min(end + 1, master_cf.size()));
        const bool starts_entry =
            !text.empty() && text.front() != '#' && blanks.find(text.front()) == blanks.npos;
        if (number > line && starts_entry) break;
        if (number < line || config::trim(text).starts_with('#')) continue;
        for (auto at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
            const auto behind = text.find_first_not_of(blanks, at + name.size());
            if (behind != text.npos && text[behind] == '=') return number;
        }
    }
    return line;
}

std::vector<MasterService> read_services(std::string_view master_cf) {
    std::vector<MasterService> services;
    for (const auto& line : config::split_logical_lines(master_cf).lines) {
        const auto words = words_of(line.text);
        if (words.size() < fields_before_arguments) continue;
        MasterService service{words[0], words[1], words[2],    words[3], words[4],
                              words[6], words[7], line.number, {},       {}};
        service.arguments.assign(words.begin() + fields_before_arguments, words.end());
        for (std::size_t i = fields_before_arguments; i < words.size(); ++i) {
            const auto behind = behind_o(words[i]);
            if (!behind) continue;
            if (!behind->empty()) {
                add_override(service, *behind);
            } else if (++i < words.size()) {
                add_override(service, words[i]);
            }
        }
        services.push_back(std::move(service));
    }
    return services;
}

const MasterService* find_service(const std::vector<MasterService>& services, std::string_view name) {
    const auto found = std::find_if(services.rbegin(), services.rend(), [name](const MasterService& service) {
        return service.name == name && service.type == "unix";
    });
    return found == services.rend() ? nullptr : &*found;
}

const MasterService* find_proxymap(const std::vector<MasterService>& services) {
    return find_service(services, "proxymap");
}

}  // namespace proxyd::control
