// MySQL and MariaDB connections for the pool.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "backends/event/resolver.h"
#include "backends/mysql/cluster.h"
#include "backends/mysql/omitted_steps.h"
#include "backends/pool/connection.h"

namespace proxyd::mysql {

class Driver final : public pool::Driver {
  public:
    // The loop and the resolver outlive the driver.
    Driver(Loop& loop, Resolver& resolver, ClusterIdentity cluster,
           std::shared_ptr<const pool::DriverSettings> settings);

    [[nodiscard]] std::unique_ptr<pool::Connection> make_connection(
        std::size_t host, pool::ConnectionObserver& observer) override;
    [[nodiscard]] bool pipelines() const override {
        return settings_->pipelining && loop_.now() >= pipelining_from_;
    }

    // A connection did not answer what was sent ahead. When the next one does not either, something between
    // us and the server does not take a query before it has answered the last. It may be replaced by a better
    // one: after a while this is tried again, with each new connection. True: no more is sent ahead.
    bool pipelining_failed() {
        if (++failed_probes_ < 2) return false;
        pipelining_from_ = loop_.now() + std::chrono::minutes(10);
        failed_probes_ = 0;
        return true;
    }
    void pipelining_worked() { failed_probes_ = 0; }

    // Of all connections of the cluster.
    [[nodiscard]] OmittedSteps& omitted_steps() { return omitted_steps_; }

    [[nodiscard]] Loop& loop() const { return loop_; }
    [[nodiscard]] Resolver& resolver() const { return resolver_; }
    [[nodiscard]] const ClusterIdentity& cluster() const { return cluster_; }
    [[nodiscard]] const pool::DriverSettings& settings() const { return *settings_; }

  private:
    Loop& loop_;
    Resolver& resolver_;
    ClusterIdentity cluster_;
    std::shared_ptr<const pool::DriverSettings> settings_;
    TimePoint pipelining_from_{};
    int failed_probes_ = 0;  // in a row
    OmittedSteps omitted_steps_;
};

}  // namespace proxyd::mysql
