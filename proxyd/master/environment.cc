#include "proxyd/master/environment.h"

#include <charconv>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace proxyd::master {
namespace {

constexpr int octal = 8;

std::optional<std::string> text(const GetEnv& get, const char* name) {
    const char* value = get(name);
    if (value == nullptr || *value == '\0') {
        return std::nullopt;
    }
    return std::string(value);
}

std::uint32_t number(std::string_view digits) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, octal);
    if (error != std::errc() || end != digits.data() + digits.size()) {
        throw std::runtime_error(
            fmt::format("bad GENERATION \"{}\" in the environment: must be octal digits", digits));
    }
    return value;
}

}  // namespace

Environment read_environment(const GetEnv& get) {
    Environment out;
    out.config_directory = text(get, "MAIL_CONFIG");
    out.log_tag = text(get, "MAIL_LOGTAG");
    out.verbose = get("MAIL_VERBOSE") != nullptr;
    out.debug = get("MAIL_DEBUG") != nullptr;
    out.postlog_service = text(get, "POSTLOG_SERVICE");
    out.postlog_hostname = text(get, "POSTLOG_HOSTNAME");
    if (const auto generation = text(get, "GENERATION")) {
        out.generation = number(*generation);
    }
    return out;
}

}  // namespace proxyd::master
