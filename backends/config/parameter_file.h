// The `name = value` file syntax that main.cf, table files and proxyd.cf share (postconf(5), pgsql_table(5)).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxyd::config {

// A line with its continuation lines, comments and blank lines removed.
struct LogicalLine {
    int number = 0;  // of its first physical line, from 1
    std::string text;
};

struct Problem {
    int line = 0;         // 0: the file as a whole
    std::string message;  // contains the value and the right form
};

struct LogicalLines {
    std::vector<LogicalLine> lines;
    std::vector<Problem> warnings;  // a continuation of nothing, an embedded NUL
};

[[nodiscard]] LogicalLines split_logical_lines(std::string_view text);

struct Parameter {
    std::string value;
    int line = 0;
};

// All parameters of one file. Values are raw: `$name` is not expanded here.
struct ParameterFile {
    std::string path;
    std::map<std::string, Parameter, std::less<>> parameters;
    std::vector<Problem> errors;  // lines that are not `name = value`: Postfix programs refuse the whole file
    std::vector<Problem> warnings;  // a name given twice with different values (the last wins), lines ignored

    // The value, or nullptr when the name does not occur.
    [[nodiscard]] const Parameter* find(std::string_view name) const;
};

[[nodiscard]] ParameterFile parse_parameters(std::string_view text, std::string path);

// Reads and parses. Returns no value when the file cannot be read; `error` then says why ("open /x.cf:
// Permission denied for user postfix").
[[nodiscard]] std::optional<ParameterFile> read_parameter_file(const std::string& path, std::string& error);

// The whole file's bytes, or no value and `error`.
[[nodiscard]] std::optional<std::string> read_file(const std::string& path, std::string& error);

// The known name nearest to `name` (at most two edits away), or "" when none is near: for "did you mean".
[[nodiscard]] std::string nearest_name(std::string_view name, const std::vector<std::string_view>& known);

}  // namespace proxyd::config
