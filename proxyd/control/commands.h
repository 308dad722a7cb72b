// The commands of proxyctl, without the parsing of their arguments.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxyd/master/environment.h"

namespace proxyd::control {

// The arguments of all commands; each command reads its own.
struct CommandArguments {
    std::optional<std::string> config;
    std::optional<std::string> socket;
    std::optional<std::string> user;
    std::string table;
    std::vector<std::string> keys;
    bool connect = false;
    bool verbose = false;
    bool dry_run = false;
    bool no_connect = false;
    bool json = false;
};

// Each writes to standard output and standard error, and returns the exit status. Throws std::exception with
// a message for the user.
[[nodiscard]] int run_query(const CommandArguments& arguments, const master::Environment& environment);
[[nodiscard]] int run_flush(const CommandArguments& arguments, const master::Environment& environment);
[[nodiscard]] int run_status(const CommandArguments& arguments, const master::Environment& environment);
[[nodiscard]] int run_options(const CommandArguments& arguments, const master::Environment& environment);
[[nodiscard]] int run_check(const CommandArguments& arguments, const master::Environment& environment);
[[nodiscard]] int run_enable(const CommandArguments& arguments, const master::Environment& environment);
[[nodiscard]] int run_disable(const CommandArguments& arguments, const master::Environment& environment);

}  // namespace proxyd::control
