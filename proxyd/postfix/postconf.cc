#include "proxyd/postfix/postconf.h"

#include <stdexcept>

#include "backends/config/parameter_file.h"
#include "proxyd/postfix/program.h"

namespace proxyd::postfix {

ParameterValues built_in_defaults(const std::string& program, std::chrono::milliseconds timeout) {
    const auto fail = [&program](const std::string& fault) {
        throw std::runtime_error("cannot get the Postfix defaults from \"" + program + " -d\": " + fault);
    };
    const auto run = run_program({.words = {program, "-d"}, .timeout = timeout});
    if (!run.fault.empty()) fail(run.fault);
    ParameterValues values;
    for (auto& [name, parameter] : config::parse_parameters(run.output, program).parameters) {
        values.emplace(name, std::move(parameter.value));
    }
    if (!values.contains("mail_version")) fail("the output has no mail_version");
    return values;
}

}  // namespace proxyd::postfix
