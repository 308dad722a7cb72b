// A pool and the settings that its tables ask for.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "backends/pool/pool.h"
#include "backends/table/settings.h"

namespace proxyd::cluster {

// Tables of one database share its pool. If their settings differ, the smallest value holds for all of them;
// of lookup_timeout the longest holds.
class SharedPool {
  public:
    // `limits` are the settings of the pool's driver; they follow the tables' settings.
    SharedPool(std::unique_ptr<pool::Pool> pool, std::shared_ptr<pool::DriverSettings> limits)
        : pool_(std::move(pool)), limits_(std::move(limits)) {}

    [[nodiscard]] pool::Pool& pool() { return *pool_; }

    // One table's part in the pool: alive as long as the table.
    class Share {
      public:
        Share(std::shared_ptr<SharedPool> shared, const table::TableSettings& settings,
              const std::string& table_name)
            : shared_(std::move(shared)),
              settings_(settings),
              queue_(shared_->pool().make_queue(table_name)) {
            shared_->shares_.push_back(this);
            shared_->apply();
        }
        ~Share() {
            std::erase(shared_->shares_, this);
            shared_->apply();
        }
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        void submit(pool::Query&& query, Deadline deadline, pool::OutcomeCallback&& callback) {
            query.answer_limit = settings_.answer_size_limit;
            shared_->pool().submit(queue_, std::move(query), deadline, std::move(callback));
        }

      private:
        friend class SharedPool;
        std::shared_ptr<SharedPool> shared_;
        table::TableSettings settings_;
        std::shared_ptr<pool::TableQueue> queue_;
    };

    [[nodiscard]] static pool::PoolSettings merged(const std::vector<table::TableSettings>& all) {
        pool::PoolSettings result;
        bool first = true;
        for (const auto& one : all) {
            const pool::PoolSettings wanted{static_cast<std::size_t>(one.pool_size),
                                            static_cast<std::size_t>(one.pipeline_depth),
                                            static_cast<std::size_t>(one.queue_limit),
                                            one.connect_timeout,
                                            one.idle_interval,
                                            one.lookup_timeout + std::chrono::seconds(1),
                                            one.connection_lifetime};
            if (first) {
                result = wanted;
            } else {
                result.size = std::min(result.size, wanted.size);
                result.pipeline_depth = std::min(result.pipeline_depth, wanted.pipeline_depth);
                result.queue_limit = std::min(result.queue_limit, wanted.queue_limit);
                result.connect_timeout = std::min(result.connect_timeout, wanted.connect_timeout);
                result.idle_interval = std::min(result.idle_interval, wanted.idle_interval);
                const auto none = Duration::zero();
                if (result.connection_lifetime == none ||
                    (wanted.connection_lifetime != none &&
                     wanted.connection_lifetime < result.connection_lifetime))
                    result.connection_lifetime = wanted.connection_lifetime;
                // The connection of a table that may wait longer must not be taken for dead.
                result.reply_limit = std::max(result.reply_limit, wanted.reply_limit);
            }
            first = false;
        }
        return result;
    }

    // The server ends a statement before the lookup's deadline, so that the server gives the reason.
    [[nodiscard]] static pool::DriverSettings limits_for(const std::vector<table::TableSettings>& all) {
        pool::DriverSettings limits;
        limits.connect_timeout = all.front().connect_timeout;
        auto longest = all.front().lookup_timeout;
        for (const auto& one : all) {
            limits.connect_timeout = std::min(limits.connect_timeout, one.connect_timeout);
            longest = std::max(longest, one.lookup_timeout);
        }
        limits.statement_timeout = longest * 9 / 10;
        return limits;
    }

  private:
    void apply() {
        if (shares_.empty()) return;
        std::vector<table::TableSettings> all;
        for (const auto* share : shares_) all.push_back(share->settings_);
        // Servers keep the limit that they were told: they must not end the queries of a table that waits
        // longer.
        const auto told = std::exchange(*limits_, limits_for(all)).statement_timeout;
        if (limits_->statement_timeout > told) pool_->renew();
        pool_->change(merged(all));
    }

    std::unique_ptr<pool::Pool> pool_;
    std::shared_ptr<pool::DriverSettings> limits_;
    std::vector<Share*> shares_;
};

}  // namespace proxyd::cluster
