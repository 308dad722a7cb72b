// The knowledge that all connections to one MySQL or MariaDB cluster share.
#pragma once

#include "backends/cluster/context.h"
#include "backends/mysql/cluster.h"
#include "backends/mysql/setup_memory.h"

namespace proxyd::mysql {

class Context final : public proxyd::cluster::Context<ClusterIdentity> {
  public:
    using proxyd::cluster::Context<ClusterIdentity>::Context;

    [[nodiscard]] SetupMemory& setup_memory() { return setup_memory_; }

    // The server runs its init_connect when a session begins; a reset does not run it again.
    void has_init_connect() { init_connect_ = true; }
    [[nodiscard]] bool renews_sessions() const { return init_connect_; }

  private:
    bool init_connect_ = false;
    SetupMemory setup_memory_;
};

}  // namespace proxyd::mysql
