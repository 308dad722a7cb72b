// The log where tables and pools report to an administrator.
#pragma once

#include <string>
#include <string_view>

namespace proxyd {

enum class Severity { debug, info, warning, error, fatal };

// One line for the administrator. `topic` names the subject (a table, a host, a client error); lines of one
// topic that repeat within the repeat interval are counted instead of written. A line without a topic is
// always written.
class Log {
  public:
    virtual ~Log() = default;
    virtual void write(Severity severity, std::string_view topic, std::string_view text) = 0;

    void debug(std::string_view text) { write(Severity::debug, {}, text); }
    void info(std::string_view text) { write(Severity::info, {}, text); }
    void warning(std::string_view text) { write(Severity::warning, {}, text); }
    void warning(std::string_view topic, std::string_view text) { write(Severity::warning, topic, text); }
    void error(std::string_view text) { write(Severity::error, {}, text); }
    void error(std::string_view topic, std::string_view text) { write(Severity::error, topic, text); }
};

// The process-wide log. Until set_log() is called it drops everything. The log must outlive all callers.
[[nodiscard]] Log& log();
void set_log(Log& log);

}  // namespace proxyd
