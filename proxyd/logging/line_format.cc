#include "proxyd/logging/line_format.h"

#include <array>
#include <ctime>
#include <utility>

#include <fmt/format.h>
#include <strings.h>
#include <syslog.h>

namespace proxyd::logging {
namespace {

constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

constexpr std::pair<const char*, int> facilities[] = {
    {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
    {"ftp", LOG_FTP},       {"kern", LOG_KERN},         {"lpr", LOG_LPR},       {"mail", LOG_MAIL},
    {"news", LOG_NEWS},     {"security", LOG_AUTH},     {"syslog", LOG_SYSLOG}, {"user", LOG_USER},
    {"uucp", LOG_UUCP},     {"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},
    {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7},
};

}  // namespace

std::string_view severity_prefix(Severity severity) {
    switch (severity) {
        case Severity::debug:
        case Severity::info: return "";
        case Severity::warning: return "warning: ";
        case Severity::error: return "error: ";
        case Severity::fatal: return "fatal: ";
    }
    return "";
}

std::string program_name(std::string_view tag, std::string_view name) {
    return tag.empty() ? std::string(name) : fmt::format("{}/{}", tag, name);
}

std::string timestamp(WallTime time, char pad) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    localtime_r(&seconds, &parts);
    // strftime() would take the month's name from the locale.
    const char* month = months[static_cast<std::size_t>(parts.tm_mon)];
    const char tens = parts.tm_mday < 10 ? pad : static_cast<char>('0' + parts.tm_mday / 10);
    return fmt::format("{} {}{} {:02}:{:02}:{:02}", month, tens, parts.tm_mday % 10, parts.tm_hour,
                       parts.tm_min, parts.tm_sec);
}

std::string postlog_line(WallTime time, std::string_view host, std::string_view program, pid_t pid,
                         std::string_view text) {
    return fmt::format("{} {} {}[{}]: {}", timestamp(time, '0'), host, program, pid, text);
}

std::string syslog_line(WallTime time, int priority, std::string_view program, pid_t pid,
                        std::string_view text) {
    return fmt::format("<{}>{} {}[{}]: {}", priority, timestamp(time, ' '), program, pid, text);
}

std::optional<int> facility_from_name(std::string_view name) {
    const std::string wanted(name);
    for (const auto& [text, value] : facilities) {
        if (strcasecmp(text, wanted.c_str()) == 0) {
            return value;
        }
    }
    return std::nullopt;
}

std::string short_hostname(std::string_view hostname) {
    return std::string(hostname.substr(0, hostname.find('.')));
}

}  // namespace proxyd::logging
