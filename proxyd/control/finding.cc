#include "proxyd/control/finding.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace proxyd::control {

namespace {

const char* name(Gravity gravity) {
    switch (gravity) {
        case Gravity::note: return "note";
        case Gravity::warning: return "warning";
        case Gravity::error: break;
    }
    return "error";
}

}  // namespace

std::string format(const Finding& finding) {
    const char* gravity = name(finding.gravity);
    auto text = finding.line > 0
                    ? fmt::format("{}:{}: {}: {}", finding.file, finding.line, gravity, finding.text)
                    : fmt::format("{}: {}: {}", finding.file, gravity, finding.text);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return text;
}

void Findings::error(std::string file, int line, std::string text) {
    add({std::move(file), line, Gravity::error, std::move(text)});
}

void Findings::warning(std::string file, int line, std::string text) {
    add({std::move(file), line, Gravity::warning, std::move(text)});
}

void Findings::note(std::string file, int line, std::string text) {
    add({std::move(file), line, Gravity::note, std::move(text)});
}

std::size_t Findings::count(Gravity gravity) const {
    return static_cast<std::size_t>(std::count_if(
        all_.begin(), all_.end(), [gravity](const Finding& finding) { return finding.gravity == gravity; }));
}

void Findings::add(Finding finding) {
    if (std::find(all_.begin(), all_.end(), finding) == all_.end()) all_.push_back(std::move(finding));
}

}  // namespace proxyd::control
