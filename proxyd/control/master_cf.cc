#include "proxyd/control/master_cf.h"

#include <cstddef>

#include "backends/config/list.h"
#include "backends/config/parameter_file.h"

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

std::vector<MasterService> read_services(std::string_view master_cf) {
    std::vector<MasterService> services;
    for (const auto& line : config::split_logical_lines(master_cf).lines) {
        const auto words = words_of(line.text);
        if (words.size() < fields_before_arguments) continue;
        MasterService service{words[0], words[1], words[2],    words[3], words[4],
                              words[6], words[7], line.number, {},       {}};
        service.arguments.assign(words.begin() + fields_before_arguments, words.end());
        for (std::size_t i = fields_before_arguments; i < words.size(); ++i) {
            if (!words[i].starts_with("-o")) continue;
            if (words[i].size() > 2) {
                add_override(service, std::string_view(words[i]).substr(2));
            } else if (++i < words.size()) {
                add_override(service, words[i]);
            }
        }
        services.push_back(std::move(service));
    }
    return services;
}

}  // namespace proxyd::control
