// The effective Postfix parameters: -o option over main.cf over built-in default (postconf(5), master(5)).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/config/expansion.h"
#include "backends/config/parameter_file.h"
#include "proxyd/postfix/postconf.h"
#include "proxyd/postfix/version.h"

namespace proxyd::postfix {

// The -o options in the order given: the last one of a name wins.
using Overrides = std::vector<std::pair<std::string, std::string>>;

// "name=value" or "name = value". Throws std::runtime_error for anything else.
[[nodiscard]] std::pair<std::string, std::string> parse_override(std::string_view text);

// Values are kept raw and expanded on request, so a broken `$` expression affects only its users. Not
// implemented: the built-in mynetworks depends on mynetworks_style; here it is that of an empty main.cf (no
// tables).
class MainCf {
  public:
    // Reads DIRECTORY/main.cf and runs postconf(1) (of command_directory, else /usr/sbin). Blocks; for
    // start-up only. Throws std::runtime_error when main.cf cannot be read or has a line that is no
    // parameter, or postconf fails.
    [[nodiscard]] static MainCf load(const std::string& config_directory, const Overrides& overrides);

    // Uses the given values.
    MainCf(config::ParameterFile file, ParameterValues defaults, const Overrides& overrides);

    // Fixes a parameter that the running process defines: service_name, process_name, process_id.
    void define(std::string_view name, std::string value);

    // As written; no value when the parameter is unknown.
    [[nodiscard]] std::optional<std::string> raw(std::string_view name) const;
    // The same without the built-in default.
    [[nodiscard]] std::optional<std::string> configured(std::string_view name) const;
    // Whether Postfix itself knows the parameter.
    [[nodiscard]] bool has_default(std::string_view name) const { return defaults_.contains(name); }
    // Whether main.cf or an option refers to the parameter in a `$` expression.
    [[nodiscard]] bool refers_to(std::string_view name) const;
    // Expanded; "" when the parameter is unknown. Throws config::ExpansionError.
    [[nodiscard]] std::string value(std::string_view name) const;
    [[nodiscard]] std::string expand(std::string_view text) const;
    // For other code that expands values, such as tables with parameters in main.cf. Must not outlive this
    // object.
    [[nodiscard]] config::ParameterLookup lookup() const;

    // The typed functions return the fallback when the parameter is unknown or empty. They throw
    // std::runtime_error when its text is not yes or no, not a number, or not a time (a number with one of s,
    // m, h, d, w; without: seconds).
    [[nodiscard]] bool boolean(std::string_view name, bool fallback = false) const;
    [[nodiscard]] int integer(std::string_view name, int fallback) const;
    [[nodiscard]] std::chrono::seconds duration(std::string_view name, std::chrono::seconds fallback) const;

    // The version of the installed programs, independent of main.cf. Throws std::runtime_error when it is
    // unknown.
    [[nodiscard]] Version mail_version() const;

    // The warnings of the reader of main.cf, as "path, line N: text".
    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  private:
    ParameterValues overrides_;  // also what define() fixed
    config::ParameterFile file_;
    ParameterValues defaults_;
    std::vector<std::string> warnings_;
};

}  // namespace proxyd::postfix
