// The command line: the options of master(8) for a service, and the options of people for a stand-alone
// daemon.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxyd::master {

// The one-letter options of Postfix's daemons without a value. They may be joined with others.
inline constexpr std::string_view flag_letters = "cdDlSuvVz";

// The command line cannot be used; what() is one line for the log or the terminal. Exit status 1 under
// master(8), else 2.
class UsageError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// The command line does not say what to do; what() is usage(), for the terminal.
class UsageWanted : public UsageError {
  public:
    using UsageError::UsageError;
};

enum class RunMode {
    master,   // -t: started by master(8), descriptors inherited
    listen,   // --listen: own socket
    stdio,    // -S: one request on stdin, its reply on stdout, no greeting
    help,     // --help: print usage(), exit 0
    version,  // --version
};

// Values as given; nothing here is looked up in main.cf.
struct DaemonArguments {
    RunMode mode = RunMode::master;
    std::string process_name;  // basename of argv[0]
    std::string service_name;  // -n, else the process name. In RunMode::master it is proxymap or proxywrite

    // -o name=value in the order given, the last of one name wins; also -i (max_idle) and -m (max_use).
    // Values are raw: a `$name` is expanded later.
    std::vector<std::pair<std::string, std::string>> overrides;

    bool chroot = false;               // -c
    bool unprivileged = false;         // -u: become $mail_owner
    bool not_a_daemon = false;         // -d: stdin may be a terminal
    bool call_debugger = false;        // -D
    bool single_process = false;       // -l: process limit 1
    bool unlimited_processes = false;  // -z
    int verbose = 0;                   // -v, --verbose, repeatable
    bool log_to_stderr = false;        // -V: also
    std::string transport;             // -t: "unix" or "inet"
    int socket_count = 1;              // -s: listen sockets from descriptor 6 on

    std::optional<std::string> listen_path;  // --listen
    std::optional<std::string> config_path;  // --config: proxyd.cf elsewhere

    // The proxywrite service: tables are approved by proxy_write_maps, and updates are allowed.
    [[nodiscard]] bool read_write() const { return service_name == "proxywrite"; }
};

// Throws UsageError. Options of one letter may be joined (-lu, -nproxymap); long ones take `--name value` and
// `--name=value`.
[[nodiscard]] DaemonArguments parse_arguments(int argc, const char* const* argv);

// Throws UsageError when a person has typed the command that master(8) should run.
void refuse_terminal(const DaemonArguments& arguments, bool stdin_is_terminal);

// Several lines for --help, and for a command line that says neither -t, --listen nor -S.
[[nodiscard]] std::string_view usage();

}  // namespace proxyd::master
