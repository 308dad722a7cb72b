#include "proxyd/control/check/postfix_config.h"

#include <utility>

namespace proxyd::control {

PostfixConfig::PostfixConfig(const std::string& directory)
    : main_cf_path(directory + "/main.cf"), master_cf_path(directory + "/master.cf") {}

bool PostfixConfig::read(const std::optional<std::string>& given_master_cf, Findings& findings) {
    std::string error;
    auto file = config::read_parameter_file(main_cf_path, error);
    if (!file) {
        findings.error(main_cf_path, 0, error);
        return false;
    }
    main_cf = std::move(*file);
    for (const auto& problem : main_cf.warnings)
        findings.warning(main_cf_path, problem.line, problem.message);
    for (const auto& problem : main_cf.errors) findings.error(main_cf_path, problem.line, problem.message);
    if (!main_cf.errors.empty()) return false;
    const auto text = given_master_cf ? given_master_cf : config::read_file(master_cf_path, error);
    if (text) {
        master_cf = *text;
        services = read_services(master_cf);
    } else {
        findings.error(master_cf_path, 0, error);
    }
    return true;
}

int PostfixConfig::line_of(std::string_view parameter) const {
    const auto* found = main_cf.find(parameter);
    return found != nullptr ? found->line : 0;
}

}  // namespace proxyd::control
