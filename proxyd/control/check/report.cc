// The printed result of a check.
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

}  // namespace proxyd::control
