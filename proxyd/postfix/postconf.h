// The built-in parameter defaults of the installed Postfix.
#pragma once

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>

namespace proxyd::postfix {

using ParameterValues = std::map<std::string, std::string, std::less<>>;

// The program stops at a line in a file. what() has the form "FILE:LINE: FAULT (says PROGRAM)".
class BadConfigFile : public std::runtime_error {
  public:
    BadConfigFile(const std::string& file, int line, const std::string& fault, const std::string& program);

    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] int line() const { return line_; }
    [[nodiscard]] const std::string& fault() const { return fault_; }

  private:
    std::string file_;
    int line_;
    std::string fault_;
};

// Runs `PROGRAM -d` with an empty environment and none of our descriptors, and returns its raw values.
// Blocks; for start-up only. Throws BadConfigFile when the program stops at a line in a file. Throws
// std::runtime_error when it cannot be run, fails otherwise (with its last message), prints no mail_version,
// or does not end in time (it is killed then).
[[nodiscard]] ParameterValues built_in_defaults(const std::string& program,
                                                std::chrono::milliseconds timeout);

}  // namespace proxyd::postfix
