// The lines of the three log targets. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "backends/report/log.h"

namespace proxyd::logging {

using WallTime = std::chrono::system_clock::time_point;

// "warning: ", "error: ", "fatal: "; "" for the others. Log readers for Postfix look for these words.
[[nodiscard]] std::string_view severity_prefix(Severity severity);

// "TAG/NAME", the program as shown in the mail log, for instance "postfix/proxymap".
[[nodiscard]] std::string program_name(std::string_view tag, std::string_view name);

// "Nov 20 21:34:06" in local time with English names; `pad` fills the tens of the day ('0' or ' ').
[[nodiscard]] std::string timestamp(WallTime time, char pad);

// A datagram for postlogd(8): "Nov 20 21:34:06 host postfix/proxymap[6099]: text", no newline at the end.
[[nodiscard]] std::string postlog_line(WallTime time, std::string_view host, std::string_view program,
                                       pid_t pid, std::string_view text);

// A datagram for the local syslog socket: "<22>Nov  2 21:34:06 postfix/proxymap[6099]: text". `priority` is
// facility and level as in syslog(3).
[[nodiscard]] std::string syslog_line(WallTime time, int priority, std::string_view program, pid_t pid,
                                      std::string_view text);

// The LOG_MAIL etc. of a `syslog_facility` value such as "mail" or "local3" (any case), or nothing.
[[nodiscard]] std::optional<int> facility_from_name(std::string_view name);

// The first label of `myhostname`.
[[nodiscard]] std::string short_hostname(std::string_view hostname);

}  // namespace proxyd::logging
