#include "proxyd/control/check/finding.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "backends/report/redact.h"

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

void Findings::hide(const std::string& file, cluster::Secrets secrets) {
    secrets_.insert_or_assign(file, std::move(secrets));
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

std::vector<Finding> Findings::in_order() const {
    std::vector<std::string_view> files;
    for (const auto& finding : all_) files.push_back(finding.file);
    const auto rank = [&files](const Finding& finding) {
        return std::pair(std::find(files.begin(), files.end(), finding.file), finding.line);
    };
    auto sorted = all_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&rank](const Finding& a, const Finding& b) { return rank(a) < rank(b); });
    return sorted;
}

std::size_t Findings::count(Gravity gravity) const {
    return static_cast<std::size_t>(std::count_if(
        all_.begin(), all_.end(), [gravity](const Finding& finding) { return finding.gravity == gravity; }));
}

// The output names the file already.
void Findings::add(Finding finding) {
    const auto opened = fmt::format("open {}: ", finding.file);
    if (finding.text.starts_with(opened)) finding.text.replace(0, opened.size(), "cannot be read: ");
    const auto known = secrets_.find(finding.file);
    finding.text = known == secrets_.end() ? redact(finding.text) : known->second.hide(finding.text);
    if (std::find(all_.begin(), all_.end(), finding) == all_.end()) all_.push_back(std::move(finding));
}

}  // namespace proxyd::control
