#include "backends/table/table_parameters.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <strings.h>

#include "backends/config/expansion.h"
#include "backends/config/list.h"

namespace proxyd::table {

namespace {

// After a blank there may be an indented line that was meant for another parameter, such as the password.
std::string first_word(const std::string& value) {
    const auto blank = value.find_first_of(" \t");
    return blank == std::string::npos ? value : value.substr(0, blank) + " ...";
}

}  // namespace

TableParameters TableParameters::from_file(config::ParameterFile file) {
    TableParameters parameters;
    parameters.where_ = file.path;
    parameters.errors_ = file.errors;
    parameters.warnings_ = file.warnings;
    parameters.file_ = std::move(file);
    return parameters;
}

TableParameters TableParameters::from_main_cf(std::string name, MainCfValue value) {
    TableParameters parameters;
    parameters.where_ = "main.cf";
    parameters.prefix_ = std::move(name) + "_";
    parameters.main_cf_ = std::move(value);
    return parameters;
}

std::optional<std::string> TableParameters::raw(std::string_view name) const {
    if (!main_cf_) {
        const auto* parameter = file_.find(name);
        if (parameter == nullptr) return std::nullopt;
        return parameter->value;
    }
    try {
        return main_cf_(prefix_ + std::string(name));
    } catch (const config::ExpansionError& error) {
        errors_.push_back({0, prefix_ + std::string(name) + ": " + error.what()});
        return std::nullopt;
    }
}

std::optional<std::string> TableParameters::text(std::string_view name) const {
    auto value = raw(name);
    if (value && value->empty()) value.reset();
    return value;
}

std::string TableParameters::text(std::string_view name, std::string_view fallback) const {
    return text(name).value_or(std::string(fallback));
}

std::string TableParameters::required(std::string_view name, std::string_view fallback) {
    auto value = raw(name).value_or(std::string(fallback));
    if (value.empty()) error(name, fmt::format("{} must have a value", full_name(name)));
    return value;
}

int TableParameters::integer(std::string_view name, int fallback, std::optional<int> at_least) {
    const auto value = raw(name);
    if (!value) return fallback;
    int number = 0;
    // As strtol does: no blank may be left at the end, a sign is allowed.
    const char* begin = value->data();
    const char* end = begin + value->size();
    if (begin != end && *begin == '+') ++begin;
    const auto [stop, problem] = std::from_chars(begin, end, number);
    if (problem != std::errc() || stop != end) {
        error(name, fmt::format("{} = {}: a whole number is needed", full_name(name), first_word(*value)));
        return fallback;
    }
    if (at_least && number < *at_least) {
        error(name, fmt::format("{} = {}: must be at least {}", full_name(name), *value, *at_least));
        return fallback;
    }
    return number;
}

bool TableParameters::boolean(std::string_view name, bool fallback) {
    const auto value = raw(name);
    if (!value) return fallback;
    if (strcasecmp(value->c_str(), "yes") == 0) return true;
    if (strcasecmp(value->c_str(), "no") == 0) return false;
    error(name, fmt::format("{} = {}: must be yes or no", full_name(name), first_word(*value)));
    return fallback;
}

void TableParameters::error(std::string_view name, const std::string& message) {
    errors_.push_back({line(name), secrets().hide(message)});
}

void TableParameters::warning(std::string_view name, const std::string& message) {
    warnings_.push_back({line(name), secrets().hide(message)});
}

cluster::Secrets TableParameters::secrets() const {
    const auto value = [this](std::string_view name) -> std::string {
        const auto* parameter = main_cf_ ? nullptr : file_.find(name);
        if (!main_cf_) return parameter == nullptr ? std::string() : parameter->value;
        try {
            return main_cf_(prefix_ + std::string(name)).value_or(std::string());
        } catch (const config::ExpansionError&) {
            return {};  // reported when the parameter is read
        }
    };
    cluster::Secrets secrets;
    const auto hosts = config::split_list(value("hosts"));
    secrets.add_public(value("user"));
    secrets.add_dbname(value("dbname"));
    for (const auto& host : hosts) secrets.add_public(host);
    secrets.add(value("password"));
    for (const auto& text : hosts) {
        const auto scheme = text.find("://");
        const auto rest = scheme == std::string::npos ? text : text.substr(scheme + 3);
        secrets.add(cluster::password_before_at(rest));
    }
    secrets.add_user(value("user"));
    return secrets;
}

bool TableParameters::is_relative_path() const {
    if (!main_cf_ || prefix_.find('/') == std::string::npos) return false;
    return !text("query") && !text("dbname") && !text("hosts") && !text("dbpath") && !text("table");
}

std::string TableParameters::full_name(std::string_view name) const {
    return prefix_ + std::string(name);
}

std::vector<std::string> TableParameters::names() const {
    std::vector<std::string> names;
    for (const auto& [name, parameter] : file_.parameters) names.push_back(name);
    return names;
}

std::string TableParameters::describe(const config::Problem& problem) const {
    if (problem.line > 0) return fmt::format("{}, line {}: {}", where_, problem.line, problem.message);
    return fmt::format("{}: {}", where_, problem.message);
}

int TableParameters::line(std::string_view name) const {
    const auto* parameter = main_cf_ ? nullptr : file_.find(name);
    return parameter != nullptr ? parameter->line : 0;
}

}  // namespace proxyd::table
