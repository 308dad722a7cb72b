// One database host of a cluster: whether it is well, and when to try it again.
#pragma once

#include <random>
#include <string>

#include "backends/clock.h"
#include "backends/pool/backoff.h"
#include "backends/pool/failure.h"

namespace proxyd::pool {

struct HostInfo {
    std::string label;  // for the log: as in the table file, passwords removed
    int rank = 0;       // lower ranks are preferred: UNIX sockets, then TCP, then URIs
};

enum class HostHealth {
    untried,        // nothing is known
    up,             // the last connection attempt succeeded
    down,           // no connection can be made
    misconfigured,  // it answers, but refuses us: an administrator must act
};

class Host {
  public:
    explicit Host(HostInfo info) : info_(std::move(info)) {}

    [[nodiscard]] const HostInfo& info() const { return info_; }
    [[nodiscard]] HostHealth health() const { return health_; }

    // Whether a connection may be tried now.
    [[nodiscard]] bool may_connect(TimePoint now) const { return now >= retry_at_; }
    [[nodiscard]] TimePoint retry_at() const { return retry_at_; }

    void connected() {
        health_ = HostHealth::up;
        backoff_.reset();
        slow_backoff_.reset();
        retry_at_ = {};
    }

    // A connection attempt failed, or (lost) one that worked broke: then one attempt at once is free.
    void failed(const Failure& failure, TimePoint now, std::minstd_rand& random) {
        last_ = failure;
        if (!is_failing()) failing_since_ = now;
        switch (failure.kind) {
            case FailureClass::too_many_connections: retry_at_ = now + backoff_.next(random); return;
            case FailureClass::configuration:
                health_ = HostHealth::misconfigured;
                retry_at_ = now + slow_backoff_.next(random);
                return;
            case FailureClass::lost: health_ = HostHealth::untried; return;
            case FailureClass::unreachable:
            case FailureClass::not_serving:
            case FailureClass::query:
            case FailureClass::conflict:
            case FailureClass::too_large:
            case FailureClass::resend:
                health_ = HostHealth::down;
                retry_at_ = now + backoff_.next(random);
                return;
        }
    }

    // Since the first failure, without a connection in between.
    [[nodiscard]] bool is_failing() const {
        return health_ == HostHealth::down || health_ == HostHealth::misconfigured;
    }
    [[nodiscard]] TimePoint failing_since() const { return failing_since_; }

    [[nodiscard]] const Failure& last_failure() const { return last_; }

  private:
    HostInfo info_;
    HostHealth health_ = HostHealth::untried;
    Backoff backoff_{BackoffLimits{}};
    Backoff slow_backoff_{BackoffLimits{std::chrono::seconds(1), std::chrono::seconds(5)}};
    TimePoint retry_at_{};
    TimePoint failing_since_{};
    Failure last_;
};

}  // namespace proxyd::pool
