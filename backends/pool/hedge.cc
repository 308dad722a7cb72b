// Hedges: lookups that are asked on a second connection because the first one is silent. Also decides the
// fate of silent connections.
#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "backends/pool/pool.h"
#include "backends/report/trouble_log.h"

namespace proxyd::pool {
namespace {

// Limit for one lookup.
constexpr int most_hedges = 2;

}  // namespace

// Hedges the first query on the connection if it takes far longer than its table's queries usually do.
void Pool::hedge_head(PooledConnection& pooled, TimePoint now) {
    auto& head = pooled.in_flight.front();
    auto& request = *head.request;
    if (head.retry != Retry::none || !request.query.statement->repeatable() || request.abandoned()) return;
    const auto late =
        head.queue->late_after(head.attempt == Try::unproven ? least_late_unproven : least_late);
    if (now - pooled.head_started() < pooled.round_trip + late || request.hedges >= most_hedges) return;
    // This connection has answered since the first try, so the query itself takes long.
    if (head.attempt == Try::later && is_asked_beside(pooled, request)) return;
    // This try was a hedge itself: the new hedge takes its place.
    if (std::exchange(head.hedge, false)) hedges_.ended();
    head.retry = Retry::asked;
    ++request.hedges;
    request.hedged = true;
    SlowShare::release_for_table(head.share, *head.queue);  // the hedge will hold a connection, too
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
            // Another connection to the same host may be as silent.
            const bool doubtful = pooled != nullptr && pooled->host == first.host;
            if (doubtful && !full() && open_for(first)) return;
        }
        if (pooled == nullptr && !open_for(first)) pooled = pick_connection_for(first, true);
        if (pooled == nullptr) return;
        send_hedge(*pooled);
    }
}

// Picks another connection that is idle or quick. It prefers one heard since the first try, then an idle one,
// then one to another host, then the one heard last.
PooledConnection* Pool::pick_connection_for(const Hedge& hedge, bool unproven_too) {
    const auto& request = *hedge.request;
    const auto now = loop_.now();
    const bool may_share = driver_->pipelines() && settings_.pipeline_depth > 1 &&
                           !request.query.statement->exclusive() && hedge.queue->usually_fast();
    PooledConnection* best = nullptr;
    std::tuple<bool, bool, bool, TimePoint> best_merit;
    for (const auto& pooled : connections_) {
        if (pooled->state != ConnectionState::ready || request.failed_at(pooled->host)) continue;
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
    // A hedge counts for the pool, not for its table.
    slow_share_.hold(entry.share, *entry.queue);
    SlowShare::release_for_table(entry.share, *entry.queue);
}

// Ensures that a connection is opened. False: none can be opened now.
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
    // This may close the connection of the late try itself.
    if (!expend_one(false)) return false;
    open_next_ = host;
    return true;
}

void Pool::expire_hedges(TimePoint now) {
    // A copy: callbacks may send hedges.
    const auto line = hedges_.all();
    for (const auto& hedge : line) expire(*hedge.request, now, hedge.host);
}

// A lookup that was asked on several connections is answered: the other outcomes are ignored.
void Pool::answered_here(Request& request, const PooledConnection& winner, TimePoint asked_at) {
    const auto now = loop_.now();
    hedges_.remove(request);
    for (const auto& pooled : connections_) {
        for (auto& entry : pooled->in_flight) {
            if (entry.request.get() != &request) continue;
            left_connection(entry);
            entry.retry = Retry::moved;
            const bool late = &entry == &pooled->in_flight.front() && entry.sent < asked_at &&
                              now - pooled->head_started() >= least_late;
            if (late) beaten(*pooled, winner, now);
        }
    }
}

// `pooled` was asked first, but `winner` answered first.
void Pool::beaten(PooledConnection& pooled, const PooledConnection& winner, TimePoint now) {
    pooled.silent = true;
    auto& host = hosts_[pooled.host];
    const auto asked_at = pooled.in_flight.front().sent;
    if (host.is_failing() || pooled.host == winner.host || host.heard_at() >= asked_at) return;
    const auto silent_for = std::chrono::duration<double>(now - std::max(host.heard_at(), asked_at)).count();
    host.suspected(now, fmt::format("no answer for {:.1f} s, while another host answers", silent_for));
    trouble_log().failed(trouble_subject(host), "silent", Trouble::lasting,
                         fmt::format("{}: host {}: {} -- it gets no lookups until it answers", name_,
                                     host.info().label, host.last_failure()->message));
}

// Whether another try of the request, whose answer may be better, waits or is under way.
bool Pool::under_way(const Request& request) const {
    if (!request.hedged) return false;
    return hedges_.holds(request) ||
           std::any_of(connections_.begin(), connections_.end(), [&request](const auto& pooled) {
               return std::any_of(pooled->in_flight.begin(), pooled->in_flight.end(),
                                  [&request](const auto& one) { return one.request.get() == &request; });
           });
}

// After one try was lost: whether another try waits to be sent or is under way. The remaining try may be
// hedged again.
bool Pool::goes_on(const Request& request) {
    if (!request.hedged) return false;
    if (hedges_.holds(request)) return true;
    for (const auto& pooled : connections_) {
        for (auto& entry : pooled->in_flight) {
            if (entry.request.get() != &request) continue;
            if (entry.retry == Retry::asked) entry.retry = Retry::none;
            return true;
        }
    }
    return false;
}

// Whether another try of the request waits, or is under way on another connection.
bool Pool::is_asked_beside(const PooledConnection& pooled, const Request& request) const {
    if (hedges_.holds(request)) return true;
    return std::any_of(connections_.begin(), connections_.end(), [&](const auto& other) {
        return other.get() != &pooled &&
               std::any_of(other->in_flight.begin(), other->in_flight.end(),
                           [&request](const InFlight& one) { return one.request.get() == &request; });
    });
}

// Whether the connection has been silent for a while and all its queries have been asked elsewhere, too.
bool Pool::is_expendable(const PooledConnection& pooled, TimePoint now) const {
    if (pooled.in_flight.empty() || pooled.state == ConnectionState::connecting) return false;
    if (now - pooled.head_started() < pooled.round_trip + least_late_unproven) return false;
    return std::all_of(pooled.in_flight.begin(), pooled.in_flight.end(),
                       [this, &pooled](const InFlight& entry) {
                           return entry.retry == Retry::moved ||
                                  (entry.request->hedged && is_asked_beside(pooled, *entry.request));
                       });
}

// Closes an expendable connection, so that another one can be opened. It takes the one whose query was
// started last: the least is lost if the server is merely slow. `only_beaten`: only a connection whose query
// was answered elsewhere first. False: there is none.
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
