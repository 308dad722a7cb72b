// One Postfix on this machine, read and changed with its own commands.
#pragma once

#include <string>
#include <vector>

#include "protocol/message.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd::control {

class PostfixInstance {
  public:
    PostfixInstance(const std::string& config_directory, const postfix::MainCf& main_cf);

    // Throws std::runtime_error when master(8) cannot be asked.
    [[nodiscard]] bool is_running() const;

    // Returns "", or why it failed.
    [[nodiscard]] std::string reload() const;

    // `master_cf` after `postconf -M -e ENTRY...`, which is run on a copy. Throws std::runtime_error.
    [[nodiscard]] std::string edit(const std::string& master_cf,
                                   const std::vector<std::string>& entries) const;

    // The table types of the stock server, as listed by `postconf -m`; none when that fails.
    [[nodiscard]] std::vector<std::string> table_types() const;

    // The socket at which its programs ask for proxy: tables.
    [[nodiscard]] const std::string& proxymap_socket() const { return proxymap_socket_; }

    // The layout of its clients' requests and of its stock server.
    [[nodiscard]] protocol::Layout layout() const { return layout_; }

    // The time that master(8) waits before it restarts a failed program: "60s".
    [[nodiscard]] const std::string& throttle_time() const { return throttle_time_; }

  private:
    [[nodiscard]] std::string command(const char* name) const { return command_directory_ + '/' + name; }

    std::string config_directory_;
    std::string command_directory_;
    std::string daemon_directory_;
    std::string proxymap_socket_;
    std::string throttle_time_;
    protocol::Layout layout_;
};

// The output of `diff -u` for two versions of a file, which it calls `path`.
[[nodiscard]] std::string unified_diff(const std::string& path, const std::string& before,
                                       const std::string& after);

}  // namespace proxyd::control
