// The pools of one database type, by the identity of the database.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/cluster/shared_pool.h"
#include "backends/event/loop.h"
#include "backends/table/query_runner.h"

namespace proxyd::cluster {

// A pool lives as long as a table uses it.
template <typename Identity>
class PoolDirectory {
  public:
    // The loop outlives the directory and its pools.
    explicit PoolDirectory(Loop& loop) : loop_(loop) {}

    // Returns the pool of this database, and makes it if there is none. `name` is for the log. `make_driver`
    // gets the driver's settings as a std::shared_ptr<const pool::DriverSettings>.
    template <typename MakeDriver>
    [[nodiscard]] std::shared_ptr<SharedPool> find_or_make(const Identity& identity,
                                                           const table::TableSettings& settings,
                                                           std::string name,
                                                           std::vector<pool::HostInfo> hosts,
                                                           MakeDriver&& make_driver) {
        auto& known = pools_[identity];
        if (auto alive = known.lock()) return alive;
        auto limits = std::make_shared<pool::DriverSettings>(SharedPool::limits_for({settings}));
        auto driver = make_driver(limits);
        auto pool = std::make_unique<pool::Pool>(loop_, std::move(name), std::move(hosts), std::move(driver),
                                                 SharedPool::merged({settings}));
        // The answer to the last lookup of a replaced table may release the pool that is giving this answer.
        std::shared_ptr<SharedPool> made(new SharedPool(std::move(pool), std::move(limits)),
                                         [&loop = loop_](SharedPool* unused) {
                                             loop.defer([body = std::shared_ptr<SharedPool>(unused)] {});
                                         });
        known = made;
        std::erase_if(pools_, [](const auto& item) { return item.second.expired(); });
        return made;
    }

    [[nodiscard]] std::vector<table::DatabaseReport> databases() const {
        std::vector<table::DatabaseReport> reports;
        for (const auto& [identity, known] : pools_) {
            const auto alive = known.lock();
            if (!alive) continue;
            const auto& pool = alive->pool();
            reports.push_back({pool.name(), pool.settings().size, pool.stats(), pool.hosts()});
        }
        return reports;
    }

    // Closes idle connections, now and from now on.
    void wind_down() {
        for (const auto& [identity, known] : pools_) {
            if (const auto alive = known.lock()) alive->pool().wind_down();
        }
    }

  private:
    Loop& loop_;
    std::map<Identity, std::weak_ptr<SharedPool>> pools_;
};

}  // namespace proxyd::cluster
