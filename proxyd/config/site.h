// What the configuration of one start, or one reload, comes to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/table/settings.h"
#include "backends/table/table_set.h"
#include "protocol/message.h"
#include "proxyd/config/options.h"
#include "proxyd/master/arguments.h"
#include "proxyd/master/environment.h"
#include "proxyd/postfix/approved_tables.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd {

// Read as root, before the privileges are dropped.
struct Site {
    std::string config_directory;
    std::string options_path;                        // of proxyd.cf, whether it exists or not
    std::shared_ptr<const postfix::MainCf> main_cf;  // null: there is no Postfix to belong to
    Options options;
    std::vector<std::string> option_problems;  // "file, line 3: ..."; the defaults are used there
    std::vector<std::string> warnings;         // what else is odd about the configuration
    postfix::ApprovedTables approved;
    std::string chroot;  // the directory that the tables are read in, once the process is there; "": none
    bool smtputf8 = true;
    protocol::Greeting greeting = protocol::Greeting::probe;
    std::string approval_hint;
};

inline constexpr const char* default_config_directory = "/etc/postfix";

// Throws std::runtime_error when nothing sensible can be done: main.cf or --config cannot be read, postconf
// fails, no tables can be determined.
[[nodiscard]] Site read_site(const master::DaemonArguments& arguments,
                             const master::Environment& environment);

// Whether two paths lead to the same socket, which need not be there yet.
[[nodiscard]] bool is_same_socket(const std::string& one, const std::string& other);

// What the tables need of it.
[[nodiscard]] table::TableSetOptions table_set_options(const Site& site);

// The options that concern tables, as one table's parameters change them.
[[nodiscard]] table::TableSettings table_settings(Options options, table::TableParameters& parameters);

}  // namespace proxyd
