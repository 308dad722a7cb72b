// The environment that master(8) gives a service.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace proxyd::master {

// As std::getenv: the value, or nullptr.
using GetEnv = std::function<const char*(const char*)>;

struct Environment {
    std::optional<std::string> config_directory;  // MAIL_CONFIG; absent: the directory built into Postfix
    std::optional<std::string> log_tag;           // MAIL_LOGTAG; absent: $syslog_name
    bool verbose = false;                         // MAIL_VERBOSE, any value
    bool debug = false;                           // MAIL_DEBUG, any value
    std::optional<std::string> postlog_service;   // POSTLOG_SERVICE: full path; only with maillog_file
    std::optional<std::string> postlog_hostname;  // POSTLOG_HOSTNAME
    std::uint32_t generation = 0;  // GENERATION, in octal digits; goes into every status record
};

// Empty values count as absent, except for the two flags. Throws std::runtime_error for a GENERATION that is
// not an octal number of 32 bits.
[[nodiscard]] Environment read_environment(const GetEnv& get);

}  // namespace proxyd::master
