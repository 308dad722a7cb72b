// One database host of a cluster: whether it is healthy, and when to try it again.
#pragma once

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "backends/event/clock.h"
#include "backends/pool/backoff.h"
#include "backends/pool/failure.h"

namespace proxyd::pool {

struct HostInfo {
    std::string label;  // for the log: as in the table file, passwords removed
    int rank = 0;       // lower ranks are preferred: UNIX sockets, then TCP, then URIs
};

enum class HostHealth {
    untried,        // nothing is known
    up,             // the last connection attempt succeeded, or an answer came after it
    suspect,        // its connections are silent, and another host has answered their query
    down,           // no connection can be made
    misconfigured,  // it answers, but refuses us: an administrator must act
    unwanted,       // it answers, but in another role than asked for (a standby instead of a writable server)
};

class Host {
  public:
    explicit Host(HostInfo info) : info_(std::move(info)) {}

    [[nodiscard]] const HostInfo& info() const { return info_; }
    [[nodiscard]] HostHealth health() const { return health_; }
    [[nodiscard]] bool is_up() const { return health_ == HostHealth::up; }

    // Whether a connection may be tried now. `needed`: no other host serves; an unwanted host is then tried
    // often, as its role may have changed.
    [[nodiscard]] bool may_connect(TimePoint now, bool needed) const { return now >= retry_at(needed); }
    [[nodiscard]] TimePoint retry_at(bool needed) const {
        return health_ == HostHealth::unwanted && !needed ? seldom_at_ : retry_at_;
    }

    // Whether the last connection attempts failed.
    [[nodiscard]] bool struggles() const { return backoff_.failures() + slow_backoff_.failures() > 0; }

    // How long the next attempt may take. Most attempts are short where connections used to be made quickly:
    // the address may lead to another server by now.
    [[nodiscard]] Duration attempt_limit(Duration connect_timeout) const {
        const bool long_one = backoff_.failures() % 4 == 2;
        if (slowest_connect_ == Duration::zero() || long_one) return connect_timeout;
        return std::min<Duration>(connect_timeout, std::max<Duration>(least_attempt, 4 * slowest_connect_));
    }

    // A connection was made; this took `taken`. True: the host was not up before.
    [[nodiscard]] bool connected(TimePoint now, Duration taken) {
        const bool news = !is_up();
        // One slow connection is forgotten slowly.
        slowest_connect_ = std::max<Duration>(taken, slowest_connect_ - slowest_connect_ / 8);
        health_ = HostHealth::up;
        backoff_.reset();
        slow_backoff_.reset();
        retry_at_ = {};
        heard_at_ = now;
        return news;
    }

    // An answer came on a connection. The time of the next attempt does not change. True: the host was not up
    // before.
    [[nodiscard]] bool answered(TimePoint now) {
        heard_at_ = now;
        if (is_up() || health_ == HostHealth::misconfigured || health_ == HostHealth::unwanted) return false;
        // Only a new connection shows whether the host serves queries again.
        if (health_ == HostHealth::down && last_->kind == FailureClass::not_serving) return false;
        health_ = HostHealth::up;
        return true;
    }

    // When the last answer or connection came.
    [[nodiscard]] TimePoint heard_at() const { return heard_at_; }

    struct Attempt {
        TimePoint begun{};
        bool answers = false;  // an answer came meanwhile, on another connection
    };

    // A connection attempt failed, or (lost) a working connection broke: the next attempt may then begin at
    // once.
    void failed(const Failure& failure, TimePoint now, std::minstd_rand& random, const Attempt& attempt) {
        last_ = failure;
        if (!is_failing()) failing_since_ = now;
        switch (failure.kind) {
            case FailureClass::too_many_connections: retry_at_ = now + backoff_.next(random); return;
            case FailureClass::configuration:
                health_ = HostHealth::misconfigured;
                retry_at_ = now + slow_backoff_.next(random);
                return;
            case FailureClass::unwanted:
                if (health_ != HostHealth::unwanted) failing_since_ = now;
                health_ = HostHealth::unwanted;
                retry_at_ = now + backoff_.next(random);
                seldom_at_ = now + Backoff(BackoffLimits{unwanted_again, unwanted_again}).next(random);
                return;
            case FailureClass::lost: health_ = HostHealth::untried; return;
            default:
                if (!attempt.answers) health_ = HostHealth::down;
                retry_at_ = next_attempt(now, random, attempt);
                return;
        }
    }

    // The connections to this host are silent, those to another host are not.
    void suspected(TimePoint now, std::string why) {
        last_ = Failure{FailureClass::lost, std::move(why)};
        if (!is_failing()) failing_since_ = now;
        health_ = HostHealth::suspect;
    }

    // Whether the host is failing. failing_since() is the first failure without a connection or an answer
    // after it.
    [[nodiscard]] bool is_failing() const {
        return health_ != HostHealth::up && health_ != HostHealth::untried;
    }
    [[nodiscard]] TimePoint failing_since() const { return failing_since_; }

    // No value: none yet. A failing host has one.
    [[nodiscard]] const std::optional<Failure>& last_failure() const { return last_; }

  private:
    // The wait grows with the outage, so that the end of a short outage is noticed soon: it may be the first
    // of several. The time of a long attempt counts as wait, but a short pause follows it in any case.
    TimePoint next_attempt(TimePoint now, std::minstd_rand& random, const Attempt& attempt) {
        const Duration away = now - failing_since_;
        Duration wait = backoff_.next(random);
        if (!attempt.answers) wait = std::min(wait, std::max<Duration>(least_wait, away / 4));
        return std::max(now + std::min<Duration>(wait, wait_after_long_attempt), attempt.begun + wait);
    }

    static constexpr std::chrono::milliseconds least_wait{10};
    static constexpr std::chrono::milliseconds wait_after_long_attempt{100};
    static constexpr std::chrono::seconds least_attempt{1};
    static constexpr std::chrono::seconds unwanted_again{30};

    HostInfo info_;
    HostHealth health_ = HostHealth::untried;
    Backoff backoff_{BackoffLimits{}};
    Backoff slow_backoff_{BackoffLimits{std::chrono::seconds(1), std::chrono::seconds(5)}};
    TimePoint retry_at_{};
    TimePoint seldom_at_{};
    TimePoint heard_at_{};
    TimePoint failing_since_{};
    Duration slowest_connect_{};
    std::optional<Failure> last_;
};

}  // namespace proxyd::pool
