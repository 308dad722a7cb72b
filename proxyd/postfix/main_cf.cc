#include "proxyd/postfix/main_cf.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <stdexcept>
#include <utility>

#include <strings.h>
#include <unistd.h>

#include "backends/config/list.h"

namespace proxyd::postfix {
namespace {

constexpr std::chrono::seconds postconf_timeout{30};

std::string describe(const std::string& path, const config::Problem& problem) {
    return path + ", line " + std::to_string(problem.line) + ": " + problem.message;
}

[[noreturn]] void bad_value(std::string_view name, const std::string& value, const char* expected) {
    throw std::runtime_error("bad value: " + std::string(name) + " = " + value + ", expected " + expected);
}

std::optional<long long> take_number(std::string_view& text) {
    long long number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

// Whether the text contains $name, ${name or $(name.
bool holds_reference(std::string_view text, std::string_view name) {
    const auto goes_on = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
    for (auto at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
        auto rest = text.substr(at + 1);
        if (rest.starts_with('{') || rest.starts_with('(')) rest.remove_prefix(1);
        if (!rest.starts_with(name)) continue;
        rest.remove_prefix(name.size());
        if (rest.empty() || !goes_on(rest.front())) return true;
    }
    return false;
}

// Seconds of a unit letter; 0 if it is none.
long long seconds_of(std::string_view unit) {
    constexpr std::pair<std::string_view, long long> units[] = {{"", 1},     {"s", 1},     {"m", 60},
                                                                {"h", 3600}, {"d", 86400}, {"w", 604800}};
    for (const auto& [name, seconds] : units) {
        if (unit.size() == name.size() && ::strncasecmp(unit.data(), name.data(), name.size()) == 0)
            return seconds;
    }
    return 0;
}

// Runs postconf in the directory that main.cf or an option names, else in the usual one.
ParameterValues defaults_of_installation(const MainCf& main_cf) {
    const std::string usual = "/usr/sbin/postconf";
    std::string configured;
    try {
        configured = main_cf.value("command_directory");
    } catch (const config::ExpansionError&) {
        // The error concerns only users of the parameter. The usual directory is tried instead.
    }
    if (configured.starts_with('/')) configured += "/postconf";
    if (!configured.starts_with('/') || configured == usual)
        return built_in_defaults(usual, postconf_timeout);
    try {
        return built_in_defaults(configured, postconf_timeout);
    } catch (const std::runtime_error&) {
        if (::access(usual.c_str(), X_OK) != 0) throw;
        return built_in_defaults(usual, postconf_timeout);
    }
}

// Postfix derives the domain from the host name, and completes a host name that has no domain. postconf -d
// did so without reading main.cf.
void adapt_host_defaults(const MainCf& main_cf, ParameterValues& defaults) {
    if (main_cf.configured("myhostname") && !main_cf.configured("mydomain")) {
        try {
            const std::string host = main_cf.value("myhostname");
            const std::size_t dot = host.find('.');
            defaults["mydomain"] = dot == std::string::npos ? "localdomain" : host.substr(dot + 1);
        } catch (const config::ExpansionError&) {
            // A broken myhostname is reported where it is used.
        }
    }
    std::array<char, 256> node{};
    if (main_cf.configured("mydomain") && ::gethostname(node.data(), node.size() - 1) == 0) {
        const std::string host = node.data();
        if (!host.empty() && host.find('.') == std::string::npos)
            defaults["myhostname"] = host + ".$mydomain";
    }
}

}  // namespace

std::pair<std::string, std::string> parse_override(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::string_view name = config::trim(text.substr(0, equals));
    if (equals == std::string_view::npos || name.empty() ||
        name.find_first_of(" \t\r\n\v\f") != std::string_view::npos) {
        throw std::runtime_error("bad option -o \"" + std::string(text) + "\", expected name=value");
    }
    return {std::string(name), std::string(config::trim(text.substr(equals + 1)))};
}

MainCf MainCf::load(const std::string& config_directory, const Overrides& overrides) {
    std::string error;
    std::optional<config::ParameterFile> file =
        config::read_parameter_file(config_directory + "/main.cf", error);
    if (!file) throw std::runtime_error(error);
    if (!file->errors.empty()) throw std::runtime_error(describe(file->path, file->errors.front()));
    const MainCf configured(*file, {}, overrides);
    ParameterValues defaults = defaults_of_installation(configured);
    defaults["config_directory"] = config_directory;
    adapt_host_defaults(MainCf(*file, defaults, overrides), defaults);
    return {std::move(*file), std::move(defaults), overrides};
}

MainCf::MainCf(config::ParameterFile file, ParameterValues defaults, const Overrides& overrides)
    : file_(std::move(file)), defaults_(std::move(defaults)) {
    for (const auto& [name, value] : overrides) define(name, value);
    for (const config::Problem& warning : file_.warnings) warnings_.push_back(describe(file_.path, warning));
}

void MainCf::define(std::string_view name, std::string value) {
    overrides_.insert_or_assign(std::string(name), std::move(value));
}

std::optional<std::string> MainCf::configured(std::string_view name) const {
    if (const auto found = overrides_.find(name); found != overrides_.end()) return found->second;
    if (const config::Parameter* parameter = file_.find(name)) return parameter->value;
    return std::nullopt;
}

std::optional<std::string> MainCf::raw(std::string_view name) const {
    if (std::optional<std::string> value = configured(name)) return value;
    if (const auto found = defaults_.find(name); found != defaults_.end()) return found->second;
    return std::nullopt;
}

bool MainCf::refers_to(std::string_view name) const {
    return std::any_of(overrides_.begin(), overrides_.end(),
                       [name](const auto& item) { return holds_reference(item.second, name); }) ||
           std::any_of(file_.parameters.begin(), file_.parameters.end(),
                       [name](const auto& item) { return holds_reference(item.second.value, name); });
}

std::string MainCf::value(std::string_view name) const {
    const std::optional<std::string> text = raw(name);
    return text ? expand(*text) : std::string();
}

std::string MainCf::expand(std::string_view text) const {
    return config::expand(text, lookup());
}

config::ParameterLookup MainCf::lookup() const {
    return [this](std::string_view name) { return raw(name); };
}

bool MainCf::boolean(std::string_view name, bool fallback) const {
    const std::string text = value(name);
    if (text.empty()) return fallback;
    if (::strcasecmp(text.c_str(), "yes") == 0) return true;
    if (::strcasecmp(text.c_str(), "no") == 0) return false;
    bad_value(name, text, "yes or no");
}

int MainCf::integer(std::string_view name, int fallback) const {
    const std::string text = value(name);
    if (text.empty()) return fallback;
    std::string_view rest = text;
    const std::optional<long long> number = take_number(rest);
    if (!number || !rest.empty() || *number < std::numeric_limits<int>::min() ||
        *number > std::numeric_limits<int>::max()) {
        bad_value(name, text, "a number");
    }
    return static_cast<int>(*number);
}

std::chrono::seconds MainCf::duration(std::string_view name, std::chrono::seconds fallback) const {
    const std::string text = value(name);
    if (text.empty()) return fallback;
    std::string_view rest = text;
    const std::optional<long long> number = take_number(rest);
    const long long unit = seconds_of(rest);
    if (!number || *number < 0 || unit == 0 || *number > std::numeric_limits<int>::max() / unit) {
        bad_value(name, text, "a time such as 30s, 5m, 2h, 1d or 1w");
    }
    return std::chrono::seconds(*number * unit);
}

Version MainCf::mail_version() const {
    const auto found = defaults_.find("mail_version");
    const std::string text = found == defaults_.end() ? std::string() : found->second;
    const std::optional<Version> version = parse_version(text);
    if (!version)
        throw std::runtime_error("the installed Postfix gives no usable mail_version: \"" + text + '"');
    return *version;
}

}  // namespace proxyd::postfix
