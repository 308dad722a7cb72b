// The built-in parameter defaults of the installed Postfix.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace proxyd::postfix {

using ParameterValues = std::map<std::string, std::string, std::less<>>;

// Runs `PROGRAM -d` with an empty environment and none of our descriptors, and returns its raw values.
// Blocks; for start-up only. Throws std::runtime_error when the program cannot be run, fails, prints no
// mail_version, or is not done in time (it is killed then).
[[nodiscard]] ParameterValues built_in_defaults(const std::string& program,
                                                std::chrono::milliseconds timeout);

}  // namespace proxyd::postfix
