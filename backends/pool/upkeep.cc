// Time-driven work of a pool: deadlines, time-outs, idle connections, hosts that come back.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/pool/pool.h"
#include "backends/report/log.h"

namespace proxyd::pool {
namespace {

constexpr std::chrono::milliseconds busy_sweep{20};
constexpr std::chrono::seconds calm_sweep{1};
constexpr std::chrono::milliseconds rebalance_interval{500};

// Queries pipelined behind one that takes this long are asked again on other connections.
constexpr std::chrono::milliseconds hedge_behind_after{50};

// A host that has not answered a query for this long may be the reason why no connection is free.
constexpr std::chrono::seconds worth_naming{1};

// Quick queries use fewer connections again after the present number sufficed for this long.
constexpr std::chrono::seconds sharing_shrinks_after{5};
constexpr std::size_t least_sharing = 2;

std::string seconds(Duration duration) {
    return fmt::format("{:.1f} s", std::chrono::duration<double>(duration).count());
}

}  // namespace

void Pool::sweep() {
    const auto now = loop_.now();
    sweeping_often_ = false;
    expire_waiting(now);
    if (!hedges_.empty()) expire_hedges(now);
    // A copy: a check may remove a connection from the list.
    std::vector<PooledConnection*> connections;
    for (const auto& pooled : connections_) connections.push_back(pooled.get());
    for (auto* pooled : connections) {
        const bool there = std::any_of(connections_.begin(), connections_.end(),
                                       [pooled](const auto& s) { return s.get() == pooled; });
        if (there) check_timeouts(*pooled, now);
    }
    if (sharing_limit_ > least_sharing && now - sharing_grown_at_ >= sharing_shrinks_after) {
        --sharing_limit_;
        sharing_grown_at_ = now;
    }
    if (now - rebalanced_at_ >= rebalance_interval) {
        rebalanced_at_ = now;
        if (hosts_.size() > 1 && !connections_.empty()) rebalance(now);
    }
    dispatch();
    schedule_sweep();
}

void Pool::expire(Request& request, TimePoint now, std::optional<std::size_t> asked_host) {
    // Callbacks may add waiters.
    for (std::size_t i = 0; i < request.waiters.size(); ++i) {
        auto& waiter = request.waiters[i];
        if (!waiter.callback || !waiter.deadline.passed(now)) continue;
        Failure failure;
        if (request.last_failed) failure = request.last_failed->failure;
        failure.message = fmt::format("no answer within {}{}", seconds(waiter.deadline.at - waiter.since),
                                      why_expired(request, asked_host));
        const auto callback = std::exchange(waiter.callback, nullptr);
        callback(Outcome{nullptr, failure});
    }
}

std::string Pool::why_expired(const Request& request, std::optional<std::size_t> asked_host) const {
    if (asked_host) return fmt::format(": host {} has not answered", hosts_[*asked_host].info().label);
    if (!request.last_failed) {
        // Counted from the first try: a query that was asked again on a new connection still waits for the
        // same host.
        const PooledConnection* silent = nullptr;
        auto silent_since = loop_.now() - worth_naming;
        for (const auto& pooled : connections_) {
            if (pooled->in_flight.empty()) continue;
            const auto since = std::max(pooled->in_flight.front().request->first_sent, pooled->last_finished);
            if (since > silent_since) continue;
            silent = pooled.get();
            silent_since = since;
        }
        return ": no connection was free" +
               (silent == nullptr
                    ? std::string()
                    : fmt::format(", as host {} does not answer", hosts_[silent->host].info().label));
    }
    return fmt::format("; last attempt, at host {}: {}", hosts_[request.last_failed->host].info().label,
                       request.last_failed->failure.message);
}

void Pool::expire_waiting(TimePoint now) {
    const auto queues = requests_.busy();
    for (const auto& queue : queues) {
        // From the back: expired requests are erased, and callbacks may append.
        for (std::size_t i = queue->waiting.size(); i-- > 0;) {
            if (i >= queue->waiting.size()) continue;
            const auto request = queue->waiting[i];
            if (!request->last_failed) {
                for (std::size_t at = 0; at < hosts_.size(); ++at) {
                    const auto& host = hosts_[at];
                    const auto& failure = host.last_failure();
                    if (!failure) continue;
                    if (host.is_failing() || failure->kind == FailureClass::too_many_connections)
                        request->last_failed = {*failure, at};
                }
            }
            expire(*request, now, std::nullopt);
            if (request->abandoned() && i < queue->waiting.size() && queue->waiting[i] == request) {
                requests_.take(*queue, i);
            }
        }
    }
    requests_.drop_empty();
}

void Pool::check_timeouts(PooledConnection& pooled, TimePoint now) {
    if (pooled.state == ConnectionState::connecting) {
        const auto& host = hosts_[pooled.host];
        const bool answers = host.heard_at() >= pooled.since;
        const auto limit =
            answers ? settings_.connect_timeout : host.attempt_limit(settings_.connect_timeout);
        if (now - pooled.since >= limit) {
            give_up(pooled,
                    {FailureClass::unreachable, fmt::format("no connection within {}", seconds(limit))});
        }
        return;
    }
    if (pooled.state == ConnectionState::resetting) {
        if (now - pooled.since >= settings_.connect_timeout)
            give_up(pooled, {FailureClass::lost, "not reset"});
        return;
    }
    if (pooled.state == ConnectionState::ready && over_age(pooled, now))
        pooled.state = ConnectionState::retiring;
    if (pooled.in_flight.empty()) {
        if (pooled.state == ConnectionState::retiring || now - pooled.since >= settings_.idle_interval)
            close(pooled);
        return;
    }
    // Callbacks may change the list.
    std::vector<std::shared_ptr<Request>> requests;
    for (const auto& entry : pooled.in_flight) requests.push_back(entry.request);
    for (const auto& request : requests) expire(*request, now, pooled.host);
    if (pooled.state == ConnectionState::closed || pooled.in_flight.empty()) return;
    auto& head = pooled.in_flight.front();
    const auto age = now - pooled.head_started();
    if (head.retry != Retry::moved && !head.overdue && age >= pooled.round_trip + slow_query) {
        head.overdue = true;
        ++head.queue->overdue;
        slow_share_.hold(head.share, *head.queue);
    }
    if (age >= pooled.round_trip + hedge_behind_after) hedge_those_behind(pooled, now);
    hedge_head(pooled, now);
    if (age >= settings_.reply_limit) {
        give_up(pooled, {FailureClass::lost, fmt::format("no reply for {}", seconds(age))});
        return;
    }
}

bool Pool::over_age(const PooledConnection& pooled, TimePoint now) const {
    const auto lifetime = settings_.connection_lifetime;
    return lifetime > Duration::zero() && now - pooled.opened_at >= lifetime * pooled.age_share;
}

// Asks the queries that wait behind a slow one again on other connections; their answers here are ignored.
void Pool::hedge_those_behind(PooledConnection& pooled, TimePoint now) {
    const auto together = pooled.connection->batch_size();
    for (std::size_t i = pooled.in_flight.size(); i-- > together;) {
        auto& entry = pooled.in_flight[i];
        if (!entry.request->query.statement->repeatable() || entry.request->abandoned()) continue;
        left_connection(entry);
        auto nobody = std::make_shared<Request>();
        nobody->query.statement = entry.request->query.statement;
        entry.retry = Retry::moved;
        requests_.push_front(entry.queue, std::exchange(entry.request, std::move(nobody)));
    }
    if (together > 1) hedge_batch(pooled, together, now);
}

// The slow query of a batch is not known. It would start anew on another connection, so the first answer
// counts.
void Pool::hedge_batch(PooledConnection& pooled, std::size_t together, TimePoint now) {
    auto& head = pooled.in_flight.front();
    head.queue->held_up(now);
    // The slow query will hold another connection, too.
    SlowShare::release_for_table(head.share, *head.queue);
    for (std::size_t i = std::min(together, pooled.in_flight.size()); i-- > 0;) {
        auto& entry = pooled.in_flight[i];
        auto& request = *entry.request;
        if (!request.query.statement->repeatable() || request.abandoned()) continue;
        if (entry.retry != Retry::none) continue;
        entry.retry = Retry::asked;
        request.hedged = true;
        if (!request.last_failed) {
            request.last_failed = {{FailureClass::lost, "it takes long, or waits for one that does"},
                                   pooled.host};
        }
        requests_.push_front(entry.queue, entry.request);
    }
}

// Tries hosts that are down while others serve, and moves load back to hosts that returned.
void Pool::rebalance(TimePoint now) {
    std::size_t fewest = 0;
    std::size_t most = 0;
    int best_rank = hosts_.front().info().rank;
    bool any_up = false;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (hosts_[i].health() != HostHealth::up) continue;
        if (!any_up || hosts_[i].info().rank < best_rank) {
            best_rank = hosts_[i].info().rank;
            fewest = most = i;
        } else if (hosts_[i].info().rank == best_rank) {
            if (connections_to(i) < connections_to(fewest)) fewest = i;
            if (connections_to(i) > connections_to(most)) most = i;
        }
        any_up = true;
    }
    if (!any_up) return;

    const auto loads = host_loads();
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const auto& host = hosts_[i];
        if (host.is_up() || !host.may_connect(now, false) || loads[i].attempts > 0) continue;
        // The only connection is not given up for a host that may not answer.
        if (full() && settings_.size == 1) continue;
        make_room_for(i, [most](const PooledConnection& pooled) { return pooled.host == most; });
        return;
    }
    if (!hosts_[fewest].may_connect(now, false)) return;
    const auto worse = [this, best_rank](const PooledConnection& pooled) {
        return pooled.state == ConnectionState::ready && hosts_[pooled.host].info().rank > best_rank;
    };
    const bool some_worse =
        std::any_of(connections_.begin(), connections_.end(), [&worse](const auto& s) { return worse(*s); });
    const bool uneven = connections_to(most) >= connections_to(fewest) + 2;
    if (some_worse) {
        retire_one_of(worse);
        make_room_for(fewest, worse);
    } else if (uneven) {
        const auto crowded = [most](const PooledConnection& pooled) { return pooled.host == most; };
        retire_one_of(crowded);
        make_room_for(fewest, crowded);
    }
}

// Closes the least busy of the chosen connections; a busy one gets no more queries and is closed later.
void Pool::retire_one_of(const std::function<bool(const PooledConnection&)>& chosen) {
    PooledConnection* victim = nullptr;
    for (const auto& pooled : connections_) {
        if (pooled->state != ConnectionState::ready || !chosen(*pooled)) continue;
        if (victim == nullptr || pooled->in_flight.size() < victim->in_flight.size()) victim = pooled.get();
    }
    if (victim == nullptr) return;
    if (victim->in_flight.empty()) {
        close(*victim);
    } else {
        victim->state = ConnectionState::retiring;
    }
}

// Retires all ready connections to the host; the queries under way may still be answered.
void Pool::retire_all_to(std::size_t host) {
    const auto ready = [host](const PooledConnection& pooled) {
        return pooled.host == host && pooled.state == ConnectionState::ready;
    };
    while (std::any_of(connections_.begin(), connections_.end(),
                       [&ready](const auto& pooled) { return ready(*pooled); }))
        retire_one_of(ready);
}

// Opens a connection to the host; in a full pool another connection makes room.
void Pool::make_room_for(std::size_t host, const std::function<bool(const PooledConnection&)>& victim) {
    if (!full()) {
        open(host);
        return;
    }
    open_next_ = host;
    const bool some_end =
        !closing_.empty() || std::any_of(connections_.begin(), connections_.end(), [](const auto& pooled) {
            return pooled->state == ConnectionState::retiring;
        });
    if (!some_end && !expend_one(true)) retire_one_of(victim);
}

// Reduces the pool to a smaller size.
void Pool::shrink() {
    open_next_.reset();
    const auto staying = [this] {
        return static_cast<std::size_t>(
            std::count_if(connections_.begin(), connections_.end(),
                          [](const auto& pooled) { return pooled->state != ConnectionState::retiring; }));
    };
    while (staying() > settings_.size) {
        const auto coming = std::find_if(connections_.begin(), connections_.end(),
                                         [](const auto& pooled) { return pooled->coming(); });
        if (coming != connections_.end()) {
            close(**coming);
        } else {
            retire_one_of([](const PooledConnection&) { return true; });
        }
    }
}

void Pool::schedule_sweep() {
    if (sweeping_often_) return;
    const auto busy = requests_.waiting() > 0 || !hedges_.empty() ||
                      std::any_of(connections_.begin(), connections_.end(), [](const auto& pooled) {
                          return pooled->coming() || !pooled->in_flight.empty();
                      });
    if (busy) {
        sweeping_often_ = true;
        sweep_timer_->start(busy_sweep);
    } else if (!connections_.empty() && !sweep_timer_->running()) {
        sweep_timer_->start(calm_sweep);
    }
}

}  // namespace proxyd::pool
