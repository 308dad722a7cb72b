// The configuration that a command is about: a Postfix with proxyd in it, or a proxyd that runs on its own.
#pragma once

#include <optional>
#include <string>

#include "proxyd/master/environment.h"

namespace proxyd::control {

struct ConfigLocation {
    std::string directory;
    std::string options_path;    // of proxyd.cf, whether it exists or not
    bool options_given = false;  // the file was named: it must exist, and it is that of a stand-alone daemon
    bool has_main_cf = false;
    std::optional<std::string> master_cf_text;  // replaces the text of the file
    std::optional<std::string> user;            // the daemon's user, if --user names it

    // Whether the daemon runs without Postfix.
    [[nodiscard]] bool stands_alone() const { return !has_main_cf || options_given; }
};

// `given` is the value of --config: a directory, main.cf or master.cf in it, or a proxyd.cf file. Without it
// the directory is MAIL_CONFIG or /etc/postfix. Throws std::runtime_error when `given` does not exist.
[[nodiscard]] ConfigLocation find_config(const std::optional<std::string>& given,
                                         const master::Environment& environment);

}  // namespace proxyd::control
