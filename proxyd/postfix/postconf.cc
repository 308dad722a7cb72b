#include "proxyd/postfix/postconf.h"

#include <regex>
#include <utility>

#include "backends/config/list.h"
#include "backends/config/parameter_file.h"
#include "proxyd/postfix/program.h"

namespace proxyd::postfix {
namespace {

// The program's own message about its error, or "". The program is run again for it, because a common output
// would mix the message with the parameters.
std::string last_words(const Program& program) {
    auto again = program;
    again.join_errors = true;
    const auto run = run_program(again);
    const auto text = config::trim(run.output);
    constexpr std::string_view mark = "fatal: ";
    auto start = text.rfind(mark);
    if (start == std::string_view::npos) {
        start = text.rfind('\n') + 1;
    } else {
        start += mark.size();
    }
    return std::string(text.substr(start, text.find('\n', start) - start));
}

[[noreturn]] void fail(const std::string& program, std::string fault, const std::string& words) {
    static const std::regex in_a_file("file (.+): line ([0-9]{1,9}): (.+)");
    std::smatch parts;
    if (std::regex_match(words, parts, in_a_file))
        throw BadConfigFile(parts[1], std::stoi(parts[2]), parts[3], program);
    if (!words.empty()) fault += ": " + words;
    throw std::runtime_error("cannot get the Postfix defaults from \"" + program + " -d\": " + fault);
}

}  // namespace

BadConfigFile::BadConfigFile(const std::string& file, int line, const std::string& fault,
                             const std::string& program)
    : std::runtime_error(file + ':' + std::to_string(line) + ": " + fault + " (says " + program + ')'),
      file_(file),
      line_(line),
      fault_(fault) {}

ParameterValues built_in_defaults(const std::string& program, std::chrono::milliseconds timeout) {
    const Program defaults{.words = {program, "-d"}, .timeout = timeout};
    const auto run = run_program(defaults);
    if (!run.fault.empty()) fail(program, run.fault, run.status > 0 ? last_words(defaults) : "");
    ParameterValues values;
    for (auto& [name, parameter] : config::parse_parameters(run.output, program).parameters) {
        values.emplace(name, std::move(parameter.value));
    }
    if (!values.contains("mail_version")) fail(program, "the output has no mail_version", "");
    return values;
}

}  // namespace proxyd::postfix
