// The end of a connection, and the fate of the queries that were under way on it.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/pool/pool.h"
#include "backends/report/log.h"
#include "backends/report/trouble_log.h"

namespace proxyd::pool {

void Pool::connection_closed(PooledConnection& pooled, const Failure& failure) {
    if (pooled.state == ConnectionState::closed) return;
    auto& host = hosts_[pooled.host];
    const bool was_connecting = pooled.state == ConnectionState::connecting;
    auto lost = std::move(pooled.in_flight);
    pooled.in_flight.clear();
    close(pooled);

    auto seen = failure;
    const bool not_serving = seen.kind == FailureClass::not_serving;
    if (!was_connecting && !not_serving) seen.kind = FailureClass::lost;
    if (was_connecting && seen.kind == FailureClass::lost) seen.kind = FailureClass::unreachable;
    const bool answers = seen.kind == FailureClass::unreachable && host.heard_at() >= pooled.since;
    const bool known = seen.kind == FailureClass::unwanted && host.health() == HostHealth::unwanted;
    // Each connection that was open when this began may report it; only the first report counts.
    if (was_connecting || !not_serving || !host.is_failing())
        host.failed(seen, loop_.now(), random_, {pooled.since, answers});
    if (not_serving) retire_all_to(pooled.host);
    if (seen.kind == FailureClass::unwanted && !known) {
        log().info(
            fmt::format("{}: host {}: not wanted: {} -- it is asked now and then whether that has changed",
                        name_, host.info().label, seen.message));
    } else if (!known && (was_connecting || !lost.empty())) {
        trouble_log().failed(
            trouble_subject(host), was_connecting ? without_numbers(seen.message) : "lost",
            host.is_failing() ? Trouble::lasting : Trouble::passing,
            fmt::format("{}: host {}: {}{}", name_, host.info().label, seen.message,
                        lost.empty() ? "" : fmt::format(" ({} lookups are asked again)", lost.size())));
    }
    // A server that ends closes all its connections: those opened before the last loss do not count again.
    if (!lost.empty() && pooled.opened_at >= lost.front().request->lost_at) {
        ++lost.front().request->losses;
        lost.front().request->lost_at = loop_.now();
    }
    ask_again(pooled, std::move(lost), seen, failure.kind != FailureClass::resend);
    if (all_misconfigured()) {
        // Only an administrator can help: holding the lookups until their deadline would only delay their
        // failure.
        for (auto& request : requests_.take_all()) answer_later(std::move(request), seen);
        for (const auto& hedge : hedges_.all()) answer_later(hedge.request, seen);
    }
    dispatch();
}

// The queries of a closed connection return to the front of their queues, in the order in which they were
// sent. An unsent query has not been executed, so it is asked again even if it writes.
void Pool::ask_again(const PooledConnection& pooled, RingBuffer<InFlight> lost, const Failure& failure,
                     bool sent) {
    for (auto i = lost.size(); i-- > 0;) {
        auto& entry = lost[i];
        left_connection(entry);
        auto& request = *entry.request;
        request.last_failed = {failure, pooled.host};
        if (request.abandoned() || goes_on(request)) continue;
        if ((!sent || request.query.statement->repeatable()) && request.losses <= losses_allowed) {
            requests_.push_front(entry.queue, std::move(entry.request));
        } else {
            answer_later(std::move(entry.request), failure);
        }
    }
}

// Closes a connection that does not answer; the driver reports nothing more about it.
void Pool::give_up(PooledConnection& pooled, const Failure& failure) {
    connection_closed(pooled, failure);
}

// `pooled` may be the caller of the function that runs now, so it is destroyed later.
void Pool::close(PooledConnection& pooled) {
    pooled.state = ConnectionState::closed;
    const auto found = std::find_if(connections_.begin(), connections_.end(),
                                    [&pooled](const auto& known) { return known.get() == &pooled; });
    closing_.push_back(std::move(*found));
    connections_.erase(found);
    loop_.defer([alive = lifetime_.watch(), this, body = closing_.back().get()] {
        if (!alive) return;
        std::erase_if(closing_, [body](const auto& known) { return known.get() == body; });
        if (open_next_ && !full()) open(*std::exchange(open_next_, std::nullopt));
        dispatch();
    });
}

}  // namespace proxyd::pool
