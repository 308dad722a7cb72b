// The configuration, as read at a start or at a reload.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/table/settings.h"
#include "backends/table/table_set.h"
#include "protocol/message.h"
#include "proxyd/config/options.h"
#include "proxyd/config/worker_share.h"
#include "proxyd/master/arguments.h"
#include "proxyd/master/environment.h"
#include "proxyd/postfix/approved_tables.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd {

// Under master(8) it is read as root, before the privileges are dropped; a daemon on its own reads it as its
// user.
struct Site {
    std::string config_directory;
    std::string options_path;                        // of proxyd.cf, whether it exists or not
    std::shared_ptr<const postfix::MainCf> main_cf;  // null: the daemon belongs to no Postfix
    Options options;
    std::vector<std::string> option_problems;  // "file, line 3: ..."; such options have their defaults
    std::vector<std::string> warnings;         // other oddities of the configuration
    postfix::ApprovedTables approved;
    std::string chroot;  // the chroot directory of the process; tables are read in it; "": none
    bool smtputf8 = true;
    protocol::Greeting greeting = protocol::Greeting::probe;
    std::string approval_hint;
    WorkerShare share;  // of the process; read_site() leaves it alone
};

inline constexpr const char* default_config_directory = "/etc/postfix";

// Throws std::runtime_error when there is no usable configuration: main.cf or --config cannot be read,
// postconf fails, or no tables can be determined.
[[nodiscard]] Site read_site(const master::DaemonArguments& arguments,
                             const master::Environment& environment);

// Whether two paths lead to the same socket. The socket need not exist yet.
[[nodiscard]] bool is_same_socket(const std::string& one, const std::string& other);

// The part of the configuration that the tables need, with the share of this worker in what is for all. A
// table whose own pool_size is too small for a share of each worker is an error of its parameters.
[[nodiscard]] table::TableSetOptions table_set_options(const Site& site);

// The table options, overridden by the parameters of one table. A bad value becomes an error of `parameters`.
[[nodiscard]] table::TableSettings table_settings(Options options, table::TableParameters& parameters);

}  // namespace proxyd
