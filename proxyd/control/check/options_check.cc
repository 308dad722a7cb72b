#include "proxyd/control/check/options_check.h"

#include <algorithm>
#include <ostream>

#include <unistd.h>

#include "proxyd/control/check/ineffective_options.h"

namespace proxyd::control {
namespace {

void check_options_file(const ConfigLocation& place, CheckedOptions& checked, Findings& findings) {
    if (!place.options_given && access(place.options_path.c_str(), F_OK) != 0) return;
    std::string error;
    const auto file = config::read_parameter_file(place.options_path, error);
    if (!file) {
        findings.error(place.options_path, 0, error);
        return;
    }
    for (const auto& problem : file->warnings)
        findings.warning(place.options_path, problem.line, problem.message);
    if (!place.stands_alone()) note_options_without_postfix(*file, findings);
    if (const auto* relay = file->find("relay_service"); relay != nullptr)
        checked.relay_service = {place.options_path, relay->line};
    auto problems = apply(checked.options, *file);
    std::sort(problems.begin(), problems.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
    for (const auto& problem : problems) findings.error(place.options_path, problem.line, problem.message);
}

void check_overrides(const MasterService& entry, const PostfixConfig& postfix, CheckedOptions& checked,
                     Findings& findings) {
    for (const auto& [name, value] : entry.overrides) {
        if (!is_option(name)) continue;
        const auto problem = set_option(checked.options, name, value);
        const int line = line_of_option(postfix.master_cf, entry.line, name);
        if (!problem.empty()) findings.error(postfix.master_cf_path, line, problem);
        if (name == "relay_service") checked.relay_service = {postfix.master_cf_path, line};
    }
}

}  // namespace

CheckedOptions check_options(const ConfigLocation& place, const PostfixConfig& postfix, Findings& findings) {
    CheckedOptions checked;
    check_options_file(place, checked, findings);
    if (const auto* entry = find_proxymap(postfix.services))
        check_overrides(*entry, postfix, checked, findings);
    return checked;
}

Options options_in_force(const ConfigLocation& place, std::vector<Finding>* findings) {
    Findings found;
    PostfixConfig postfix(place.directory);
    if (!place.stands_alone()) (void)postfix.read(place.master_cf_text, found);
    auto options = check_options(place, postfix, found).options;
    if (findings != nullptr) *findings = found.all();
    return options;
}

int print_options(const ConfigLocation& place, std::ostream& out, std::ostream& mistakes) {
    std::vector<Finding> findings;
    const auto options = options_in_force(place, &findings);
    for (const auto& option : option_infos())
        out << option.name << " = " << option_text(options, option.name) << '\n';
    for (const auto& finding : findings) mistakes << format(finding) << '\n';
    const bool wrong = std::any_of(findings.begin(), findings.end(),
                                   [](const Finding& one) { return one.gravity == Gravity::error; });
    return wrong ? 1 : 0;
}

}  // namespace proxyd::control
