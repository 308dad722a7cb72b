// The knowledge that all connections to one PostgreSQL cluster share.
#pragma once

#include <string>

#include "backends/cluster/context.h"
#include "backends/pgsql/cluster.h"
#include "backends/pgsql/server_memory.h"

namespace proxyd::pgsql {

class Context final : public cluster::Context<ClusterIdentity> {
  public:
    using cluster::Context<ClusterIdentity>::Context;

    // A pooler in between refused start-up options, or did not keep a prepared statement. From then on
    // neither is used with this cluster.
    void pooler_noticed(const std::string& why);
    [[nodiscard]] bool behind_pooler() const { return behind_pooler_; }

    // For the servers that a URI names.
    [[nodiscard]] ServerMemory& servers() { return servers_; }

  private:
    bool behind_pooler_ = false;
    ServerMemory servers_;
};

}  // namespace proxyd::pgsql
