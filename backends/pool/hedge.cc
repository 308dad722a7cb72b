// Lookups that are asked a second time, as the connection where they were asked says nothing, and what
// becomes of such connections.
#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "backends/pool/pool.h"
#include "backends/report/trouble_log.h"

namespace proxyd::pool {
namespace {

// Of one lookup.
constexpr int most_hedges = 2;

bool contains(const std::vector<std::size_t>& hosts, std::size_t host) {
    return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

}  // namespace

// The first query on the connection takes far longer than its table's queries usually do.
void Pool::hedge_head(PooledConnection& pooled, TimePoint now) {
    auto& head = pooled.in_flight.front();
    auto& request = *head.request;
    if (head.asked_again || head.moved || !request.query.statement->repeatable() || request.abandoned())
        return;
    const auto late = head.queue->late_after(head.unproven ? least_late_unproven : least_late);
    if (now - pooled.head_started() < pooled.round_trip + late || request.hedges >= most_hedges) return;
    // Where something was heard since the first try it is the query that takes long.
    if (head.later_try && !head.unproven && is_asked_beside(pooled, request)) return;
    // One hedge takes the place of the other.
    if (std::exchange(head.hedge, false)) hedges_.ended();
    head.asked_again = true;
    ++request.hedges;
    request.hedged = true;
    // The hedge will hold a connection, too: the others of the table shall not wait for both.
    if (head.counted_slow && !std::exchange(head.slow_share_released, true)) --head.queue->slow_connections;
    hedges_.add({head.request, head.queue, pooled.host});
}

void Pool::send_hedges() {
    hedges_.remove_abandoned();
    while (hedges_.may_send(settings_.size)) {
        const auto& first = hedges_.all().front();
        const bool again = first.request->hedges > 1;
        PooledConnection* pooled = pick_connection_for(first, false);
        if (pooled == nullptr && !again) {
            pooled = pick_connection_for(first, true);
            // One to the same host may well be as silent.
            const bool doubtful = pooled != nullptr && pooled->host == first.host;
            if (doubtful && !full() && open_for(first)) return;
        }
        if (pooled == nullptr && !open_for(first)) pooled = pick_connection_for(first, true);
        if (pooled == nullptr) return;
        send_hedge(*pooled);
    }
}

// Another one that is free, or quick, and of those the one that was heard last, rather of another host.
PooledConnection* Pool::pick_connection_for(const Hedge& hedge, bool unproven_too) {
    const auto& request = *hedge.request;
    const auto now = loop_.now();
    const bool may_share = driver_->pipelines() && settings_.pipeline_depth > 1 &&
                           !request.query.statement->exclusive() && hedge.queue->usually_fast();
    PooledConnection* best = nullptr;
    std::tuple<bool, bool, bool, TimePoint> best_merit;
    for (const auto& pooled : connections_) {
        if (pooled->state != ConnectionState::ready || contains(request.failed_hosts, pooled->host)) continue;
        const bool proven = pooled->heard_at() > request.first_sent;
        if (!pooled->idle()) {
            const bool room = pooled->in_flight.size() < settings_.pipeline_depth;
            if (!may_share || !proven || !room || !is_quick(*pooled, now)) continue;
        }
        if (!proven && (!unproven_too || hosts_[pooled->host].health() == HostHealth::suspect)) continue;
        const std::tuple merit{proven, pooled->idle(), pooled->host != hedge.host, pooled->heard_at()};
        if (best == nullptr || merit > best_merit) {
            best = pooled.get();
            best_merit = merit;
        }
    }
    return best;
}

void Pool::send_hedge(PooledConnection& pooled) {
    const auto hedge = hedges_.send_first();
    auto& entry = send(pooled, hedge.queue, hedge.request, pooled.idle());
    entry.hedge = true;
    // It counts for the pool, not for its table.
    if (!std::exchange(entry.counted_slow, true)) {
        ++slow_connections_;
    } else {
        --entry.queue->slow_connections;
    }
    entry.slow_share_released = true;
}

// Sees that a connection is opened. False: none can be opened now.
bool Pool::open_for(const Hedge& hedge) {
    if (open_next_ || !closing_.empty()) return true;
    const auto loads = host_loads();
    const bool promising =
        std::any_of(connections_.begin(), connections_.end(), [&loads](const auto& pooled) {
            return pooled->state == ConnectionState::connecting && !loads[pooled->host].connect_is_slow;
        });
    if (promising) return true;
    const auto host =
        choose_host(hosts_, loads, {loop_.now(), hedge.request->failed_hosts, hedge.host}, random_);
    if (!host) return false;
    if (!full()) {
        open(*host);
        return true;
    }
    // This may end the late try of the hedge itself.
    if (!expend_one(false)) return false;
    open_next_ = host;
    return true;
}

void Pool::expire_hedges(TimePoint now) {
    // Copied: callbacks may send them.
    const auto line = hedges_.all();
    for (const auto& hedge : line) expire(*hedge.request, now, hedge.host);
}

// The answer to a lookup that was asked more than once: nobody waits for the others.
void Pool::answered_here(Request& request, const PooledConnection& winner, TimePoint asked_at) {
    const auto now = loop_.now();
    hedges_.remove(request);
    for (const auto& pooled : connections_) {
        for (auto& entry : pooled->in_flight) {
            if (entry.request.get() != &request) continue;
            left_connection(entry);
            entry.moved = true;
            const bool late = &entry == &pooled->in_flight.front() && entry.sent < asked_at &&
                              now - pooled->head_started() >= least_late;
            if (late) beaten(*pooled, winner, now);
        }
    }
}

// What was asked first here was answered there.
void Pool::beaten(PooledConnection& pooled, const PooledConnection& winner, TimePoint now) {
    pooled.silent = true;
    auto& host = hosts_[pooled.host];
    const auto asked_at = pooled.in_flight.front().sent;
    if (host.is_failing() || pooled.host == winner.host || host.heard_at() >= asked_at) return;
    const auto silent_for = std::chrono::duration<double>(now - std::max(host.heard_at(), asked_at)).count();
    host.suspected(now, fmt::format("no answer for {:.1f} s, while another host answers", silent_for));
    trouble_log().failed(trouble_subject(host), "silent", Trouble::lasting,
                         fmt::format("{}: host {}: {} -- it gets no lookups until it answers", name_,
                                     host.info().label, host.last_failure().message));
}

// On a connection, whose answer may be a better one.
bool Pool::under_way(const Request& request) const {
    if (!request.hedged) return false;
    return hedges_.holds(request) ||
           std::any_of(connections_.begin(), connections_.end(), [&request](const auto& pooled) {
               return std::any_of(pooled->in_flight.begin(), pooled->in_flight.end(),
                                  [&request](const auto& one) { return one.request.get() == &request; });
           });
}

// After one of its tries was lost: whether another one is under way or waits to be sent. That one may be late
// as well, some time.
bool Pool::goes_on(const Request& request) {
    if (!request.hedged) return false;
    if (hedges_.holds(request)) return true;
    for (const auto& pooled : connections_) {
        for (auto& entry : pooled->in_flight) {
            if (entry.request.get() != &request) continue;
            entry.asked_again = false;
            return true;
        }
    }
    return false;
}

// Whether another try of it waits or is under way on another connection.
bool Pool::is_asked_beside(const PooledConnection& pooled, const Request& request) const {
    if (hedges_.holds(request)) return true;
    return std::any_of(connections_.begin(), connections_.end(), [&](const auto& other) {
        return other.get() != &pooled &&
               std::any_of(other->in_flight.begin(), other->in_flight.end(),
                           [&request](const InFlight& one) { return one.request.get() == &request; });
    });
}

// It has said nothing for a while, and all that was asked on it has been asked elsewhere, too.
bool Pool::is_expendable(const PooledConnection& pooled, TimePoint now) const {
    if (pooled.in_flight.empty() || pooled.state == ConnectionState::connecting) return false;
    if (now - pooled.head_started() < pooled.round_trip + least_late_unproven) return false;
    return std::all_of(
        pooled.in_flight.begin(), pooled.in_flight.end(), [this, &pooled](const InFlight& entry) {
            return entry.moved || (entry.request->hedged && is_asked_beside(pooled, *entry.request));
        });
}

// Closes such a connection, so that another one can be opened. Of several the one whose query has been under
// way for the shortest time: least is lost if it is merely slow. `only_beaten`: one that was answered
// elsewhere first. False: there is none.
bool Pool::expend_one(bool only_beaten) {
    const auto now = loop_.now();
    PooledConnection* victim = nullptr;
    for (const auto& pooled : connections_) {
        if ((only_beaten && !pooled->silent) || !is_expendable(*pooled, now)) continue;
        const auto merit = [](const PooledConnection& one) {
            return std::pair(one.silent, one.head_started());
        };
        if (victim == nullptr || merit(*pooled) > merit(*victim)) victim = pooled.get();
    }
    if (victim == nullptr) return false;
    for (auto& entry : victim->in_flight) {
        left_connection(entry);
        hedges_.to_front(*entry.request);
    }
    victim->in_flight.clear();
    close(*victim);
    return true;
}

}  // namespace proxyd::pool
