// What the table types of database servers have alike: a pool for each cluster.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/cluster/pool_directory.h"
#include "backends/event/resolver.h"
#include "backends/table/query_runner.h"

namespace proxyd::cluster {

template <typename Identity>
class PooledBackend : public table::TableBackend {
  public:
    [[nodiscard]] std::vector<table::DatabaseReport> databases() const final { return pools_.databases(); }
    void wind_down() final { pools_.wind_down(); }

  protected:
    // The loop and the resolver outlive the backend and its runners.
    PooledBackend(Loop& loop, Resolver& resolver) : loop_(loop), resolver_(resolver), pools_(loop) {}

    // The pool of this cluster, made if there is none; canonical(cluster) finds it. `name` is for the log,
    // `info` says how to show and to rank an item of the cluster's hosts.
    template <typename Driver>
    [[nodiscard]] std::shared_ptr<SharedPool> pool_of(const Identity& cluster,
                                                      const table::TableSettings& settings, std::string name,
                                                      pool::HostInfo (*info)(const std::string& host)) {
        std::vector<pool::HostInfo> hosts;
        for (const auto& host : cluster.hosts) hosts.push_back(info(host));
        return pools_.find_or_make(
            canonical(cluster), settings, std::move(name), std::move(hosts), [&](auto limits) {
                return std::make_unique<Driver>(loop_, resolver_, cluster, std::move(limits));
            });
    }

  private:
    Loop& loop_;
    Resolver& resolver_;
    PoolDirectory<Identity> pools_;
};

}  // namespace proxyd::cluster
