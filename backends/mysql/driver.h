// MySQL and MariaDB connections for the pool.
#pragma once

#include <memory>

#include "backends/cluster/address_walk.h"
#include "backends/event/resolver.h"
#include "backends/mysql/cluster.h"
#include "backends/mysql/setup_memory.h"
#include "backends/pool/connection.h"

namespace proxyd::mysql {

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
    // In the protocol a query is answered before the next one is sent. Some proxies mix up queries that are
    // sent ahead.
    [[nodiscard]] bool pipelines() const override { return false; }

    // For all connections of the cluster.
    [[nodiscard]] SetupMemory& setup_memory() { return setup_memory_; }

    // For the addresses of the hosts.
    [[nodiscard]] proxyd::cluster::AddressMemory& addresses() { return addresses_; }

    // The server runs its init_connect when a session begins; a reset does not run it again.
    void has_init_connect() { init_connect_ = true; }
    [[nodiscard]] bool renews_sessions() const { return init_connect_; }

    [[nodiscard]] Loop& loop() const { return loop_; }
    [[nodiscard]] Resolver& resolver() const { return resolver_; }
    [[nodiscard]] const ClusterIdentity& cluster() const { return cluster_; }
    [[nodiscard]] const pool::DriverSettings& settings() const { return *settings_; }

  private:
    Loop& loop_;
    Resolver& resolver_;
    ClusterIdentity cluster_;
    proxyd::cluster::Secrets secrets_{secrets_of(cluster_)};
    std::shared_ptr<const pool::DriverSettings> settings_;
    bool init_connect_ = false;
    SetupMemory setup_memory_;
    proxyd::cluster::AddressMemory addresses_;
};

}  // namespace proxyd::mysql
