// One Postfix on this machine, as its own commands show and change it.
#pragma once

#include <string>
#include <vector>

#include "protocol/message.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd::control {

class PostfixInstance {
  public:
    PostfixInstance(const std::string& config_directory, const postfix::MainCf& main_cf);

    // Throws std::runtime_error when it cannot be told.
    [[nodiscard]] bool is_running() const;

    // Returns "", or why it failed.
    [[nodiscard]] std::string reload() const;

    // `master_cf` after `postconf -M -e ENTRY...`, which is run on a copy. Throws std::runtime_error.
    [[nodiscard]] std::string edit(const std::string& master_cf,
                                   const std::vector<std::string>& entries) const;

    // Those of the stock server, as `postconf -m` lists them; none when it cannot be told.
    [[nodiscard]] std::vector<std::string> table_types() const;

    // Where its programs ask for proxy: tables.
    [[nodiscard]] const std::string& proxymap_socket() const { return proxymap_socket_; }

    // Of its clients' requests, and of its stock server.
    [[nodiscard]] protocol::Layout layout() const { return layout_; }

    // How long master(8) waits before it starts a program again that failed: "60s".
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

// What changes between two versions of a file that is shown as `path`, as `diff -u` prints it.
[[nodiscard]] std::string unified_diff(const std::string& path, const std::string& before,
                                       const std::string& after);

}  // namespace proxyd::control
