#include "backends/pool/pool.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/event/recycling_allocator.h"
#include "backends/report/log.h"
#include "backends/report/trouble_log.h"

namespace proxyd::pool {

void PooledConnection::connected(Duration trip) {
    pool_.connection_connected(*this, trip);
}

void PooledConnection::finished(QueryToken token, const Outcome& outcome) {
    if (outcome.ok()) {
        pool_.connection_finished(*this, token, outcome);
    } else {
        pool_.connection_finished(*this, token, {nullptr, pool_.without_secrets(outcome.failure)});
    }
}

void PooledConnection::closed(const Failure& failure) {
    pool_.connection_closed(*this, pool_.without_secrets(failure));
}

Pool::Pool(Loop& loop, std::string name, std::vector<HostInfo> hosts, std::unique_ptr<Driver> driver,
           PoolSettings settings, unsigned seed)
    : loop_(loop),
      name_(std::move(name)),
      driver_(std::move(driver)),
      settings_(settings),
      random_(seed),
      sweep_timer_(loop.make_timer([this] { sweep(); })),
      wake_timer_(loop.make_timer([this] {
          wake_at_ = {};
          dispatch();
      })) {
    for (auto& host : hosts) hosts_.emplace_back(std::move(host));
}

Pool::~Pool() {
    lifetime_.end();
    const Failure closing{FailureClass::lost, "the pool is being closed"};
    auto open_requests = requests_.take_all();
    for (const auto& hedge : hedges_.all()) open_requests.push_back(hedge.request);
    for (const auto& pooled : connections_) {
        for (auto& entry : pooled->in_flight) open_requests.push_back(std::move(entry.request));
    }
    closing_.clear();
    connections_.clear();
    for (const auto& request : open_requests) answer(*request, Outcome{nullptr, closing});
}

std::shared_ptr<TableQueue> Pool::make_queue(std::string table) {
    return RequestQueue::make(std::move(table));
}

void Pool::submit(const std::shared_ptr<TableQueue>& queue, Query&& query, Deadline deadline,
                  OutcomeCallback&& callback) {
    const auto now = loop_.now();
    if (deadline.passed(now)) {
        callback(Outcome{nullptr, {FailureClass::lost, "the deadline had passed"}});
        return;
    }
    if (!queue->waiting.empty() && query.statement->repeatable()) {
        if (auto* same = queue->shareable.find(query); same != nullptr) {
            same->waiters.add(now, deadline, std::move(callback));
            return;
        }
    }
    if (requests_.waiting() >= settings_.queue_limit) {
        callback(Outcome{nullptr,
                         {FailureClass::too_many_connections,
                          fmt::format("{} lookups are waiting already (queue_limit)", requests_.waiting())}});
        return;
    }
    if (all_misconfigured()) {
        callback(Outcome{nullptr, hosts_.front().last_failure().value()});
        return;
    }
    auto request = make_recycled<Request>();
    request->query = std::move(query);
    request->queued_at = now;
    request->waiters.add(now, deadline, std::move(callback));
    if (any_waits()) {
        // Behind another one of its table in a full pool, nothing can be done for it now.
        const bool can_only_wait = !queue->waiting.empty() && full();
        requests_.push_back(queue, std::move(request));
        if (!can_only_wait) dispatch();
    } else if (!send_if_possible(queue, request)) {
        requests_.push_back(queue, std::move(request));
        open_more();
    }
    schedule_sweep();
}

void Pool::change(const PoolSettings& settings) {
    settings_ = settings;
    shrink();
    dispatch();
    schedule_sweep();
}

void Pool::renew() {
    std::vector<PooledConnection*> coming;
    for (const auto& pooled : connections_) {
        if (pooled->coming()) coming.push_back(pooled.get());
    }
    for (auto* pooled : coming) close(*pooled);
    for (std::size_t host = 0; host < hosts_.size(); ++host) retire_all_to(host);
}

void Pool::wind_down() {
    settings_.idle_interval = Duration::zero();
    std::vector<PooledConnection*> idle;
    for (const auto& pooled : connections_) {
        if (pooled->idle()) idle.push_back(pooled.get());
    }
    for (auto* pooled : idle) close(*pooled);
}

PoolStats Pool::stats() const {
    PoolStats stats;
    stats.waiting = requests_.waiting();
    stats.connections = closing_.size();
    for (const auto& pooled : connections_) {
        ++stats.connections;
        if (pooled->state == ConnectionState::ready) ++stats.ready;
        stats.in_flight += pooled->in_flight.size();
    }
    return stats;
}

void Pool::connection_connected(PooledConnection& pooled, Duration round_trip) {
    if (pooled.state == ConnectionState::resetting) {
        pooled.state = ConnectionState::ready;
        pooled.since = loop_.now();
        dispatch();
    }
    if (pooled.state != ConnectionState::connecting) return;
    const auto now = loop_.now();
    auto& host = hosts_[pooled.host];
    const auto before = host.health();
    if (host.connected(now, now - pooled.since)) log_return(host, before);
    pooled.state = ConnectionState::ready;
    pooled.since = pooled.opened_at = now;
    pooled.round_trip = round_trip;
    dispatch();
}

void Pool::log_return(const Host& host, HostHealth before) {
    if (before == HostHealth::unwanted) {
        log().info(fmt::format("{}: host {}: serves in the role that is asked for -- it is used from now on",
                               name_, host.info().label));
    } else {
        trouble_log().works_again(trouble_subject(host),
                                  fmt::format("{}: host {} answers again", name_, host.info().label));
    }
}

// Names the trouble in the log: a host may refuse one account and accept another.
std::string Pool::trouble_subject(const Host& host) const {
    return fmt::format("{} {} {}", name_, driver_->account(), host.info().label);
}

// All texts of servers and libraries pass here.
Failure Pool::without_secrets(Failure failure) const {
    failure.message = driver_->without_secrets(failure.message);
    return failure;
}

void Pool::connection_finished(PooledConnection& pooled, QueryToken token, const Outcome& outcome) {
    const auto now = loop_.now();
    const auto found = std::find_if(pooled.in_flight.begin(), pooled.in_flight.end(),
                                    [token](const InFlight& entry) { return entry.token == token; });
    if (found == pooled.in_flight.end()) return;
    InFlight entry = std::move(*found);
    // If the server was idle, the time includes the network; if the query was pipelined, it does not.
    const bool was_alone = entry.sent >= pooled.last_finished;
    const Duration taken = now - std::max(entry.sent, pooled.last_finished);
    pooled.in_flight.erase(found.index());
    pooled.last_finished = now;
    pooled.since = now;
    pooled.solitary = false;
    pooled.silent = false;
    left_connection(entry);
    auto& host = hosts_[pooled.host];
    const auto before = host.health();
    if (host.answered(now)) log_return(host, before);

    auto& request = *entry.request;
    // Done before the answer: its callback may submit the next lookup.
    const bool too_large = !outcome.ok() && outcome.failure.kind == FailureClass::too_large;
    if (pooled.state == ConnectionState::ready) {
        if (too_large || pooled.connection->should_recycle()) {
            pooled.state = ConnectionState::retiring;
        } else if (request.query.statement->leaves_state() || pooled.connection->holds_transaction()) {
            pooled.state = ConnectionState::resetting;
        }
    }
    // A query that was answered elsewhere is no sample: it shows how long the connection was silent.
    if (entry.retry != Retry::moved &&
        (outcome.ok() || too_large || outcome.failure.kind == FailureClass::query)) {
        entry.queue->sample(std::max(Duration::zero(), was_alone ? taken - pooled.round_trip : taken));
    }
    if (request.hedged) {
        if (outcome.ok()) {
            answered_here(request, pooled, entry.sent);
        } else {
            hedges_.remove(request);  // it is not late any more
        }
    }
    if (outcome.ok()) {
        answer(request, outcome);
    } else {
        request.last_failed = {outcome.failure, pooled.host};
        if (outcome.failure.kind == FailureClass::query) request.failed_hosts.push_back(pooled.host);
        const bool resend = outcome.failure.kind == FailureClass::resend;
        const bool conflict = outcome.failure.kind == FailureClass::conflict;
        if (resend) ++request.resends;
        if (conflict) ++request.losses;
        // Each connection may still know the statement from before a change.
        const bool enough =
            request.losses > losses_allowed || request.resends > settings_.size + losses_allowed;
        const bool again = !too_large && (resend || (request.query.statement->repeatable() &&
                                                     (conflict || other_host_may_answer(request))));
        if (again && !enough && !request.abandoned()) {
            requests_.push_front(entry.queue, std::move(entry.request));
        } else if (too_large || !under_way(request)) {
            answer(request, outcome);
        }
    }
    if (pooled.state == ConnectionState::resetting && !pooled.connection->reset())
        pooled.state = ConnectionState::retiring;
    if (pooled.state == ConnectionState::retiring && pooled.in_flight.empty()) close(pooled);
    if (too_large && pooled.state != ConnectionState::closed) {
        // The rest of the answer may still come; the pool does not wait for it.
        auto others = std::move(pooled.in_flight);
        pooled.in_flight.clear();
        close(pooled);
        ask_again(pooled, std::move(others),
                  {FailureClass::lost, "the connection ended with a lookup whose answer was too large"},
                  true);
    }
    dispatch();
}

void Pool::left_connection(InFlight& entry) {
    if (std::exchange(entry.hedge, false)) hedges_.ended();
    slow_share_.release(entry.share, *entry.queue);
    if (entry.overdue) {
        --entry.queue->overdue;
        entry.overdue = false;
    }
}

void Pool::answer(Request& request, const Outcome& outcome) {
    // A callback may submit the next lookup, but never touches this request again.
    for (std::size_t i = 0; i < request.waiters.size(); ++i) {
        if (!request.waiters[i].callback) continue;
        const auto callback = std::exchange(request.waiters[i].callback, nullptr);
        callback(outcome);
    }
}

// For failures found in the middle of another operation of the pool.
void Pool::answer_later(std::shared_ptr<Request> request, Failure failure) {
    loop_.defer([request = std::move(request), failure = std::move(failure)] {
        const Outcome outcome{nullptr, failure};
        answer(*request, outcome);
    });
}

std::size_t Pool::connections_to(std::size_t host) const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(),
                      [host](const auto& pooled) { return pooled->host == host; }));
}

std::size_t Pool::connecting() const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(),
                      [](const auto& pooled) { return pooled->state == ConnectionState::connecting; }));
}

}  // namespace proxyd::pool
