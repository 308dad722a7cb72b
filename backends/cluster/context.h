// The knowledge that all connections to one cluster share.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "backends/cluster/address_walk.h"
#include "backends/event/loop.h"
#include "backends/event/resolver.h"
#include "backends/pool/connection.h"
#include "backends/report/secrets.h"

namespace proxyd::cluster {

// The part that is alike in all database types. `Identity` names the cluster and how to log in; its
// secrets_of() gives the secrets.
template <typename Identity>
class Context {
  public:
    // The loop and the resolver outlive the context.
    Context(Loop& loop, Resolver& resolver, Identity cluster,
            std::shared_ptr<const pool::DriverSettings> settings)
        : loop_(loop), resolver_(resolver), cluster_(std::move(cluster)), settings_(std::move(settings)) {}

    [[nodiscard]] Loop& loop() const { return loop_; }
    [[nodiscard]] Resolver& resolver() const { return resolver_; }
    [[nodiscard]] const Identity& cluster() const { return cluster_; }
    [[nodiscard]] const pool::DriverSettings& settings() const { return *settings_; }

    // A text of a server or a library, without the cluster's secrets.
    [[nodiscard]] std::string without_secrets(const std::string& text) const { return secrets_.hide(text); }

    // For the addresses of the hosts.
    [[nodiscard]] AddressMemory& addresses() { return addresses_; }

  private:
    Loop& loop_;
    Resolver& resolver_;
    Identity cluster_;
    Secrets secrets_{secrets_of(cluster_)};
    std::shared_ptr<const pool::DriverSettings> settings_;
    AddressMemory addresses_;
};

}  // namespace proxyd::cluster
