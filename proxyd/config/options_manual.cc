#include "proxyd/config/options_manual.h"

#include "proxyd/config/options.h"

namespace proxyd {
namespace {

// Puts each sentence on its own line, as usual in manual pages. A line must not begin with a control
// character.
std::string sentences(std::string_view text) {
    std::string lines;
    while (!text.empty()) {
        const std::size_t stop = text.find(". ");
        const std::string_view sentence = text.substr(0, stop == std::string_view::npos ? stop : stop + 1);
        if (sentence.starts_with('.') || sentence.starts_with('\'')) lines += "\\&";
        for (const char c : sentence) {
            if (c == '-') lines += '\\';
            lines += c == '\\' ? std::string("\\e") : std::string(1, c);
        }
        lines += '\n';
        text.remove_prefix(stop == std::string_view::npos ? text.size() : stop + 2);
    }
    return lines;
}

// Breaks the text into comment lines that fit on a terminal.
std::string comment(std::string_view text) {
    constexpr std::size_t width = 100;
    std::string lines;
    while (!text.empty()) {
        const std::size_t end = text.size() <= width ? text.size() : text.rfind(' ', width);
        lines += "# " + std::string(text.substr(0, end)) + '\n';
        text.remove_prefix(end == text.size() ? end : end + 1);
    }
    return lines;
}

}  // namespace

std::string options_as_mdoc() {
    std::string page;
    for (const OptionInfo& option : option_infos()) {
        page += ".It Sy " + std::string(option.name) +
                " No = " + (option.fallback.empty() ? "(empty)" : std::string(option.fallback)) + '\n';
        page += sentences(option.help);
        page += "Values: " + std::string(option.range) + ".\n";
        if (!option.example.empty()) {
            page +=
                "For example:\n.Dl " + std::string(option.name) + " = " + std::string(option.example) + '\n';
        }
        if (option.per_table) page += "Can also be set in a table file, for that table.\n";
        if (!option.reloadable) page += "Takes effect after a restart.\n";
    }
    return page;
}

std::string options_as_example() {
    std::string file =
        "# Options of proxyd: see proxyd.cf(5). Every one has its default here, and none is needed.\n"
        "# `proxyctl check` finds mistakes, `proxyctl options` prints the values in force.\n";
    for (const OptionInfo& option : option_infos()) {
        file += '\n' + comment(option.help);
        file += "# Values: " + std::string(option.range) + ".\n";
        if (!option.example.empty()) {
            file += "# For example:\n#    " + std::string(option.name) + " = " + std::string(option.example) +
                    '\n';
        }
        file += '#' + std::string(option.name) + " = " + std::string(option.fallback) + '\n';
    }
    return file;
}

}  // namespace proxyd
