// The parameters of one table, from its file or from main.cf, with the typed reads of pgsql_table(5) and
// friends.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/config/parameter_file.h"
#include "backends/report/secrets.h"

namespace proxyd::table {

// A main.cf parameter's value, expanded. No value: not set. Throws config::ExpansionError.
using MainCfValue = std::function<std::optional<std::string>(const std::string& name)>;

// Reads record errors instead of failing, so that one check finds every fault.
class TableParameters {
  public:
    static TableParameters from_file(config::ParameterFile file);
    // `pgsql:name`: the parameters are name_hosts, name_query ... in main.cf.
    static TableParameters from_main_cf(std::string name, MainCfValue value);

    // Treat "not set" and "empty" alike.
    [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
    [[nodiscard]] std::string text(std::string_view name, std::string_view fallback) const;
    // An empty value is an error.
    [[nodiscard]] std::string required(std::string_view name, std::string_view fallback);
    // Base 10, int range; `at_least` as a bound, if any.
    [[nodiscard]] int integer(std::string_view name, int fallback, std::optional<int> at_least = {});
    [[nodiscard]] bool boolean(std::string_view name, bool fallback);

    // The value as written, even if it is empty.
    [[nodiscard]] std::optional<std::string> raw(std::string_view name) const;

    // Passwords of the table are hidden in the recorded messages.
    void error(std::string_view name, const std::string& message);
    void warning(std::string_view name, const std::string& message);
    [[nodiscard]] const std::vector<config::Problem>& errors() const { return errors_; }
    [[nodiscard]] const std::vector<config::Problem>& warnings() const { return warnings_; }

    // The secrets to hide in messages about this table.
    [[nodiscard]] cluster::Secrets secrets() const;

    // Whether the name is a path without a leading "/", which is taken for the name of main.cf parameters
    // that do not exist.
    [[nodiscard]] bool is_relative_path() const;

    // The name as written in its place: in main.cf with the table's name in front.
    [[nodiscard]] std::string full_name(std::string_view name) const;

    // The names in the file; none in the main.cf form.
    [[nodiscard]] std::vector<std::string> names() const;
    // "/etc/postfix/x.cf", or "main.cf".
    [[nodiscard]] const std::string& where() const { return where_; }
    // "/etc/postfix/x.cf, line 3: the message"
    [[nodiscard]] std::string describe(const config::Problem& problem) const;

    // The line of the parameter in its file; 0 when it is not there, or in the main.cf form.
    [[nodiscard]] int line(std::string_view name) const;

  private:
    config::ParameterFile file_;
    std::string prefix_;
    MainCfValue main_cf_;
    std::string where_;
    mutable std::vector<config::Problem> errors_;
    std::vector<config::Problem> warnings_;
};

}  // namespace proxyd::table
