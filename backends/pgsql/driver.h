// PostgreSQL connections for the pool.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cluster/address_walk.h"
#include "backends/event/resolver.h"
#include "backends/pgsql/cluster.h"
#include "backends/pgsql/server_memory.h"
#include "backends/pool/connection.h"

namespace proxyd::pgsql {

// The knowledge that all connections of one cluster share.
class Driver final : public pool::Driver {
  public:
    // The loop and the resolver outlive the driver.
    Driver(Loop& loop, Resolver& resolver, ClusterIdentity cluster,
           std::shared_ptr<const pool::DriverSettings> settings);

    [[nodiscard]] std::unique_ptr<pool::Connection> make_connection(
        std::size_t host, pool::ConnectionObserver& observer) override;
    [[nodiscard]] std::string without_secrets(const std::string& text) const override {
        return secrets_.hide(text);
    }
    [[nodiscard]] std::string account() const override { return cluster_.user; }
    [[nodiscard]] bool pipelines() const override { return true; }

    [[nodiscard]] Loop& loop() const { return loop_; }
    [[nodiscard]] Resolver& resolver() const { return resolver_; }
    [[nodiscard]] const ClusterIdentity& cluster() const { return cluster_; }
    [[nodiscard]] const pool::DriverSettings& settings() const { return *settings_; }

    // A pooler in between refused start-up options, or did not keep a prepared statement. From then on
    // neither is used with this cluster.
    void pooler_noticed(const std::string& why);
    [[nodiscard]] bool behind_pooler() const { return behind_pooler_; }

    // For the servers that a URI names.
    [[nodiscard]] ServerMemory& servers() { return servers_; }
    // For the addresses of the hosts.
    [[nodiscard]] cluster::AddressMemory& addresses() { return addresses_; }

  private:
    Loop& loop_;
    Resolver& resolver_;
    ClusterIdentity cluster_;
    proxyd::cluster::Secrets secrets_{secrets_of(cluster_)};
    std::shared_ptr<const pool::DriverSettings> settings_;
    bool behind_pooler_ = false;
    ServerMemory servers_;
    cluster::AddressMemory addresses_;
};

// The pool's HostInfo list for a cluster.
[[nodiscard]] std::vector<pool::HostInfo> host_infos(const ClusterIdentity& cluster);

}  // namespace proxyd::pgsql
