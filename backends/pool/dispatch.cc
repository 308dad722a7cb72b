// Assigns waiting lookups to connections, and opens connections.
#include <algorithm>

#include <fmt/format.h>

#include "backends/pool/pool.h"
#include "backends/report/log.h"

namespace proxyd::pool {
namespace {

// Quick queries are answered faster when they are pipelined on few connections than when they are spread over
// many. The connections in use do not suffice when lookups wait longer than this, and longer than this
// process itself needs for all waiting lookups.
constexpr std::chrono::milliseconds open_after{2};
constexpr std::chrono::microseconds own_work{30};
constexpr std::chrono::milliseconds growth_pause{25};  // shows the effect of the last step

// When lookups have waited this long, a connection that is probably dead makes room for another one.
constexpr std::chrono::milliseconds expend_after{50};

// In a pool of this size one table may have several connections for queries that a slow query has held up.
constexpr std::size_t enough_to_ask_again = 8;

}  // namespace

void Pool::dispatch() {
    if (!hedges_.empty()) send_hedges();
    const auto serve = [this](const auto& queue) { return send_next(queue) != Sent::no; };
    while (!requests_.busy().empty() && requests_.round(serve)) {
    }
    if (!requests_.busy().empty()) open_more();
}

Pool::Sent Pool::send_next(const std::shared_ptr<TableQueue>& queue) {
    auto request = queue->waiting.front();
    if (request->abandoned()) {
        requests_.take(*queue, 0);
        return Sent::answered;
    }
    if (!request->failed_hosts.empty() && !other_host_may_answer(*request)) {
        requests_.take(*queue, 0);
        if (!under_way(*request)) answer_later(request, request->last_failed->failure);
        return Sent::answered;
    }
    // A request that failed at a host moves to the failover queue.
    if (!request->failed_hosts.empty() && !queue->is_failover) {
        requests_.take(*queue, 0);
        requests_.push_front(queue, std::move(request));
        return Sent::answered;
    }
    if (!send_if_possible(queue, request)) return Sent::no;
    requests_.take(*queue, 0);
    return Sent::yes;
}

bool Pool::send_if_possible(const std::shared_ptr<TableQueue>& queue,
                            const std::shared_ptr<Request>& request) {
    const bool slow = queue->speed() != Speed::fast;
    if (slow && !may_send_slow(*queue)) return false;
    const bool solitary = slow || request->query.statement->exclusive();
    PooledConnection* const pooled = pick_connection(*request, solitary);
    if (pooled == nullptr) return false;
    (void)send(*pooled, queue, request, solitary);
    return true;
}

bool Pool::may_send_slow(const TableQueue& queue) const {
    return (slow_share_.has_room(queue, settings_.size) || is_crowded_out(queue)) &&
           SlowShare::is_turn_of(queue, settings_.size, requests_.busy());
}

// Whether hedges under way have taken this table's connections: no connection works for the table, whatever
// it holds of the share.
bool Pool::is_crowded_out(const TableQueue& queue) const {
    return hedges_.any_under_way() &&
           std::none_of(connections_.begin(), connections_.end(), [&queue](const auto& pooled) {
               return std::any_of(pooled->in_flight.begin(), pooled->in_flight.end(),
                                  [&queue](const InFlight& entry) { return entry.queue.get() == &queue; });
           });
}

PooledConnection* Pool::pick_connection(const Request& request, bool solitary) {
    PooledConnection* idle = nullptr;
    PooledConnection* shared = nullptr;
    int idle_count = 0;
    std::size_t sharing = 0;  // connections that work on quick queries
    const bool may_share = !solitary && driver_->pipelines() && settings_.pipeline_depth > 1;
    const auto now = loop_.now();
    const bool several_hosts = hosts_.size() > 1;
    const bool excludes_hosts = several_hosts || !request.failed_hosts.empty();
    for (const auto& pooled : connections_) {
        if (pooled->state != ConnectionState::ready) continue;
        const bool is_idle = pooled->in_flight.empty();
        if (!is_idle && !may_share) continue;
        if (excludes_hosts && (request.failed_at(pooled->host) || !takes_queries(*pooled))) continue;
        if (is_idle) {
            // With one host the first connection serves best: unneeded ones stay idle and are closed. With
            // several hosts the load is spread.
            ++idle_count;
            const bool spread = several_hosts && random_() % static_cast<unsigned>(idle_count) == 0;
            if (idle == nullptr || spread) idle = pooled.get();
        } else if (is_quick(*pooled, now)) {
            ++sharing;
            const bool room = pooled->in_flight.size() < settings_.pipeline_depth;
            if (room && (shared == nullptr || pooled->in_flight.size() < shared->in_flight.size())) {
                shared = pooled.get();
            }
        }
    }
    if (idle != nullptr && (!may_share || sharing < sharing_limit_)) return idle;
    return shared;
}

// A host that is probably dead gets no queries while another one serves.
bool Pool::takes_queries(const PooledConnection& pooled) const {
    if (hosts_.size() == 1) return true;
    const auto health = hosts_[pooled.host].health();
    return (health != HostHealth::suspect && health != HostHealth::down) || !any_serves(hosts_);
}

// Whether a query can be pipelined behind those under way.
bool Pool::is_quick(const PooledConnection& pooled, TimePoint now) const {
    return !pooled.solitary && now - pooled.head_started() < pooled.round_trip + slow_query;
}

InFlight& Pool::send(PooledConnection& pooled, const std::shared_ptr<TableQueue>& queue,
                     std::shared_ptr<Request> request, bool solitary) {
    InFlight entry;
    entry.token = next_token_++;
    entry.request = std::move(request);
    entry.queue = queue;
    entry.sent = loop_.now();
    if (entry.request->hedged) {
        entry.attempt = pooled.heard_at() <= entry.request->first_sent ? Try::unproven : Try::later;
    } else {
        entry.request->first_sent = entry.sent;
    }
    if (queue->speed() != Speed::fast) slow_share_.hold(entry.share, *queue);
    pooled.solitary = solitary;
    pooled.since = entry.sent;
    const auto token = entry.token;
    entry.request->query.may_batch = settings_.size >= enough_to_ask_again && queue->brief(entry.sent);
    const Query& query = entry.request->query;
    pooled.in_flight.push_back(std::move(entry));
    pooled.connection->send(token, query);
    return pooled.in_flight.back();
}

// Opens connections when lookups wait that no connection can take now.
void Pool::open_more() {
    const auto now = loop_.now();
    const bool any_ready = std::any_of(connections_.begin(), connections_.end(), [this](const auto& pooled) {
        return (pooled->state == ConnectionState::ready || pooled->state == ConnectionState::resetting) &&
               takes_queries(*pooled);
    });
    std::size_t attempts = 0;  // under way and likely to succeed: each will take one waiting lookup
    for (const auto& pooled : connections_) {
        if (pooled->coming() && now - pooled->since < connect_patience) ++attempts;
    }
    std::size_t wanted = any_ready ? 0 : 1;
    auto oldest = TimePoint::max();
    bool quick_one_waits = false;
    for (const auto& queue : requests_.busy()) {
        const auto& request = *queue->waiting.front();
        if (!request.failed_hosts.empty()) {
            const auto host = pick_host(request.failed_hosts);
            if (host && connections_to(*host) == 0)
                make_room_for(*host, [](const PooledConnection&) { return true; });
            continue;
        }
        const bool slow = queue->speed() != Speed::fast;
        if (slow && !may_send_slow(*queue)) continue;
        oldest = std::min(oldest, request.queued_at);
        quick_one_waits =
            quick_one_waits || ((!slow || is_crowded_out(*queue)) && now - request.queued_at >= expend_after);
        // If the speed of the table is not known yet, the first answer decides.
        const bool alone =
            queue->speed() == Speed::slow || request.query.statement->exclusive() || !driver_->pipelines();
        if (alone && any_ready) wanted += queue->waiting.size();
    }
    if (oldest == TimePoint::max()) return;
    const auto patience_now = open_after + own_work * static_cast<long>(requests_.waiting());
    if (any_ready && wanted == 0 && now - oldest >= patience_now && now - sharing_grown_at_ >= growth_pause) {
        sharing_grown_at_ = now;
        sharing_limit_ = std::min(sharing_limit_ + 1, settings_.size);
        const bool some_idle =
            std::any_of(connections_.begin(), connections_.end(),
                        [this](const auto& pooled) { return pooled->idle() && takes_queries(*pooled); });
        if (!some_idle) wanted = attempts + 1;
    }
    for (; attempts < wanted; ++attempts) {
        const bool makes_room = full() && !open_next_ && closing_.empty() && now - oldest >= expend_after;
        if (full() && !makes_room) break;
        const auto host = pick_host({});
        if (!host) break;
        if (makes_room) {
            if (expend_one(!quick_one_waits)) open_next_ = host;
            break;
        }
        open(*host);
    }
    wake_later(now, any_ready);
}

// Sets the timer for events that are still to come: another connection, another host, a host that may not be
// tried yet.
void Pool::wake_later(TimePoint now, bool any_ready) {
    auto when = TimePoint::max();
    if (any_ready) {
        when = now + open_after;
    } else {
        if (connecting() > 0) when = now + connect_patience;
        const bool needed = !any_serves(hosts_);
        for (const auto& host : hosts_) {
            if (!host.may_connect(now, needed)) when = std::min(when, host.retry_at(needed));
        }
    }
    if (when == TimePoint::max() || (wake_at_ > now && wake_at_ <= when)) return;
    wake_at_ = when;
    wake_timer_->start(when - now);
}

// After an error of the query: whether a host that has not answered it yet will probably answer.
bool Pool::other_host_may_answer(const Request& request) const {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (request.failed_at(i)) continue;
        if (hosts_[i].health() == HostHealth::up || hosts_[i].health() == HostHealth::untried) return true;
    }
    return false;
}

std::vector<HostLoad> Pool::host_loads() const {
    const auto now = loop_.now();
    std::vector<HostLoad> loads(hosts_.size());
    for (const auto& pooled : connections_) {
        auto& load = loads[pooled->host];
        ++load.connections;
        if (pooled->state == ConnectionState::connecting) {
            ++load.attempts;
            load.connect_is_slow = load.connect_is_slow || now - pooled->since >= connect_patience;
        } else {
            if (pooled->state == ConnectionState::ready) ++load.ready;
            const bool late =
                !pooled->in_flight.empty() && now - pooled->head_started() >= pooled->round_trip + least_late;
            load.silent = load.silent || pooled->silent || late;
        }
    }
    return loads;
}

std::optional<std::size_t> Pool::pick_host(const std::vector<std::size_t>& except) const {
    return choose_host(hosts_, host_loads(), {loop_.now(), except}, random_);
}

void Pool::open(std::size_t host) {
    auto pooled = std::make_unique<PooledConnection>(*this, host, loop_.now());
    pooled->age_share = std::uniform_real_distribution<double>(0.8, 1.0)(random_);
    pooled->connection = driver_->make_connection(host, *pooled);
    connections_.push_back(std::move(pooled));
    connections_.back()->connection->connect();
    schedule_sweep();
}

// Whether all hosts refuse us for a reason that only an administrator can correct, and none may be tried
// again yet.
bool Pool::all_misconfigured() const {
    const auto now = loop_.now();
    return connections_.empty() && std::all_of(hosts_.begin(), hosts_.end(), [now](const Host& host) {
               return host.health() == HostHealth::misconfigured && !host.may_connect(now, true);
           });
}

}  // namespace proxyd::pool
