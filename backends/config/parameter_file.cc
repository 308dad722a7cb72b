#include "backends/config/parameter_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <numeric>

#include <fcntl.h>
#include <unistd.h>

#include "backends/config/list.h"
#include "backends/config/white_space.h"
#include "backends/report/activity.h"
#include "backends/report/file_access_advice.h"

namespace proxyd::config {
namespace {

// Far above any sane configuration; keeps a mistaken path (a device, a log file) from filling the memory.
constexpr std::size_t size_limit = 64 << 20;
constexpr std::size_t near = 2;  // edits
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool is_comment_or_blank(std::string_view line) {
    const std::size_t begin = line.find_first_not_of(white_space);
    return begin == std::string_view::npos || line[begin] == '#';
}

// Keeps the part that a C string would hold: everything after a NUL is dropped, with the rest of the logical
// line. So a binary file in the wrong place is not half understood.
void cut_at_nul(LogicalLine& line, std::vector<Problem>& warnings) {
    const std::size_t nul = line.text.find('\0');
    if (nul == std::string::npos) return;
    line.text.resize(nul);
    warnings.push_back({line.number, "the text after a null byte is ignored"});
}

std::string quoted(std::string_view text) {
    return '"' + std::string(text) + '"';
}

// A line of a table file for the log, without a possible password.
std::string presentable(std::string_view line) {
    std::string lower(line);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (const char* secret : {"pass", "://", "hosts", "dbname"}) {
        if (lower.find(secret) != std::string::npos) return "(not shown: it may hold a password)";
    }
    return std::string(line);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

LogicalLines split_logical_lines(std::string_view text) {
    LogicalLines result;
    int number = 0;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        ++number;
        if (is_comment_or_blank(line)) continue;
        // A line that continues nothing is kept until its own continuation lines are collected, and dropped
        // below.
        if (is_space(line.front()) && !result.lines.empty()) {
            result.lines.back().text += line;
        } else {
            result.lines.push_back({number, std::string(line)});
        }
    }
    for (LogicalLine& line : result.lines) cut_at_nul(line, result.warnings);
    if (!result.lines.empty() && !result.lines.front().text.empty() &&
        is_space(result.lines.front().text.front())) {
        const LogicalLine& first = result.lines.front();
        result.warnings.push_back(
            {first.number, "ignored, because it starts with white space and continues nothing: " +
                               quoted(presentable(trim(first.text)))});
        result.lines.erase(result.lines.begin());
    }
    return result;
}

const Parameter* ParameterFile::find(std::string_view name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? nullptr : &found->second;
}

ParameterFile parse_parameters(std::string_view text, std::string path) {
    ParameterFile file;
    file.path = std::move(path);
    LogicalLines logical = split_logical_lines(text);
    file.warnings = std::move(logical.warnings);
    for (const LogicalLine& line : logical.lines) {
        const std::string_view content = line.text;
        const std::size_t name_end = std::min(content.find_first_of(" \t\r\n\v\f="), content.size());
        const std::string_view name = content.substr(0, name_end);
        const std::string_view rest = trim(content.substr(name_end));
        if (name.empty()) {
            file.errors.push_back({line.number, "missing name before '=', expected \"name = value\""});
            continue;
        }
        if (!rest.starts_with('=') && name.starts_with(byte_order_mark)) {
            file.errors.push_back(
                {line.number,
                 "the file begins with a byte order mark (U+FEFF), which is taken for a part "
                 "of this line: save it without one (UTF-8 without BOM)"});
            continue;
        }
        if (!rest.starts_with('=')) {
            // A name alone may be a value that was put on a line of its own.
            file.errors.push_back({line.number, "missing '=' after the name, expected \"name = value\"" +
                                                    (rest.empty() ? "" : ": " + quoted(presentable(name)))});
            continue;
        }
        Parameter parameter{std::string(trim(rest.substr(1))), line.number};
        const auto [entry, is_new] = file.parameters.try_emplace(std::string(name), parameter);
        if (is_new) continue;
        if (entry->second.value != parameter.value) {
            file.warnings.push_back(
                {line.number,
                 "overriding earlier entry: " + presentable(std::string(name) + '=' + entry->second.value)});
        }
        entry->second = std::move(parameter);
    }
    return file;
}

std::optional<ParameterFile> read_parameter_file(const std::string& path, std::string& error) {
    const std::optional<std::string> text = read_file(path, error);
    if (!text) return std::nullopt;
    return parse_parameters(*text, path);
}

std::optional<std::string> read_file(const std::string& path, std::string& error) {
    const Activity activity("reading the file", path);
    // Without O_NONBLOCK a FIFO under this name would stop the daemon.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        const int reason = errno;
        error = "open " + path + ": " + std::strerror(reason);
        if (reason == EACCES) error += " for user " + effective_user();
        return std::nullopt;
    }
    std::string text;
    std::array<char, 16384> buffer;
    int failure = 0;
    while (true) {
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count == 0) break;
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            failure = errno;
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
        if (text.size() > size_limit) {
            failure = EFBIG;
            break;
        }
    }
    ::close(fd);
    if (failure != 0) {
        error = "read " + path + ": " + std::strerror(failure);
        return std::nullopt;
    }
    return text;
}

std::string nearest_name(std::string_view name, const std::vector<std::string_view>& known) {
    std::string_view best;
    std::size_t best_distance = near + 1;
    for (const std::string_view candidate : known) {
        const std::size_t distance = edit_distance(name, candidate);
        if (distance >= best_distance) continue;
        best = candidate;
        best_distance = distance;
    }
    return std::string(best);
}

}  // namespace proxyd::config
