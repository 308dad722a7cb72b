#include "proxyd/control/check/ineffective_options.h"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "proxyd/config/options.h"

namespace proxyd::control {
namespace {

// Options of a stand-alone daemon, and their replacements under Postfix.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> of_stand_alone = {{
    {"allowed_tables", "proxy_read_maps in main.cf says which tables may be asked for"},
    {"smtputf8_enable", "main.cf has a parameter of the same name"},
}};

std::string_view instead_of(std::string_view option) {
    for (const auto& [name, instead] : of_stand_alone) {
        if (name == option) return instead;
    }
    return {};
}

}  // namespace

void note_options_without_postfix(const config::ParameterFile& options_file, Findings& findings) {
    for (const auto& [name, instead] : of_stand_alone) {
        const auto* parameter = options_file.find(name);
        if (parameter == nullptr) continue;
        findings.note(options_file.path, parameter->line,
                      fmt::format("{} has no effect under Postfix: {}", name, instead));
    }
}

void check_options_in_main_cf(const config::ParameterFile& file, const postfix::MainCf& main_cf,
                              const std::string& options_path, Findings& findings) {
    for (const auto& option : option_infos()) {
        const auto* parameter = file.find(option.name);
        // A parameter that Postfix or the site itself reads is not meant for proxyd.
        if (parameter == nullptr || main_cf.has_default(option.name) || main_cf.refers_to(option.name))
            continue;
        const auto instead = instead_of(option.name);
        findings.warning(
            file.path, parameter->line,
            fmt::format("{} is an option of proxyd and has no effect here: {}", option.name,
                        instead.empty() ? fmt::format("write it into {}", options_path) : instead));
    }
}

}  // namespace proxyd::control
