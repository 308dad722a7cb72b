// The printed result of a check.
#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "proxyd/control/check/check.h"
#include "proxyd/logging/plural.h"

namespace proxyd::control {

int report(const CheckResult& result, bool connect, std::ostream& out) {
    for (const auto& finding : result.findings.in_order()) out << format(finding) << '\n';
    const auto errors = result.findings.count(Gravity::error);
    const auto warnings = result.findings.count(Gravity::warning);
    out << fmt::format("checked {}{}{}: {}, {}\n", plural(result.tables, "table"),
                       result.reader.empty() ? "" : fmt::format(" as user {}", result.reader),
                       connect ? fmt::format(", {} answered", result.answering) : "", plural(errors, "error"),
                       plural(warnings, "warning"));
    return errors > 0 ? 1 : 0;
}

int print_options(const ConfigLocation& place, const master::Environment& environment, std::ostream& out,
                  std::ostream& mistakes) {
    std::vector<Finding> findings;
    const auto options = options_in_force(place, environment, &findings);
    for (const auto& option : option_infos())
        out << option.name << " = " << option_text(options, option.name) << '\n';
    for (const auto& finding : findings) mistakes << format(finding) << '\n';
    const bool wrong = std::any_of(findings.begin(), findings.end(),
                                   [](const Finding& one) { return one.gravity == Gravity::error; });
    return wrong ? 1 : 0;
}

}  // namespace proxyd::control
