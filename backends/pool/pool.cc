#include "backends/pool/pool.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "backends/log.h"
#include "backends/trouble_log.h"

namespace proxyd::pool {

void Slot::connected(Duration trip) {
    pool_.slot_connected(*this, trip);
}

void Slot::finished(QueryToken token, const Outcome& outcome) {
    if (outcome.ok()) {
        pool_.slot_finished(*this, token, outcome);
    } else {
        pool_.slot_finished(*this, token, {nullptr, pool_.without_secrets(outcome.failure)});
    }
}

void Slot::closed(const Failure& failure) {
    pool_.slot_closed(*this, pool_.without_secrets(failure));
}

Pool::Pool(Loop& loop, std::string name, std::vector<HostInfo> hosts, std::unique_ptr<Driver> driver,
           PoolSettings settings, unsigned seed)
    : loop_(loop),
      name_(std::move(name)),
      driver_(std::move(driver)),
      settings_(settings),
      random_(seed),
      sweep_timer_(loop.make_timer([this] { sweep(); })),
      wake_timer_(loop.make_timer([this] { dispatch(); })) {
    for (auto& host : hosts) hosts_.emplace_back(std::move(host));
}

Pool::~Pool() {
    *alive_ = false;
    const Failure closing{FailureClass::lost, "the pool is being closed"};
    std::vector<std::shared_ptr<Request>> open_requests;
    for (const auto& lane : busy_lanes_) {
        open_requests.insert(open_requests.end(), lane->waiting.begin(), lane->waiting.end());
        lane->by_identity.clear();
        lane->waiting.clear();
    }
    for (const auto& hedge : hedges_.all()) open_requests.push_back(hedge.request);
    for (const auto& slot : slots_) {
        for (auto& entry : slot->in_flight) open_requests.push_back(std::move(entry.request));
    }
    buried_.clear();
    slots_.clear();
    for (const auto& request : open_requests) answer(*request, Outcome{nullptr, closing});
}

std::shared_ptr<Lane> Pool::make_lane(std::string table) {
    auto lane = std::make_shared<Lane>(std::move(table));
    std::erase_if(lanes_, [](const auto& known) { return known.expired(); });
    lanes_.push_back(lane);
    return lane;
}

void Pool::submit(const std::shared_ptr<Lane>& lane, Query query, Deadline deadline,
                  OutcomeCallback callback) {
    const auto now = loop_.now();
    if (deadline.passed(now)) {
        callback(Outcome{nullptr, {FailureClass::lost, "the deadline had passed"}});
        return;
    }
    if (query.statement->repeatable()) {
        const auto same = lane->by_identity.find(query.identity);
        if (same != lane->by_identity.end() && same->second->query.statement == query.statement) {
            same->second->waiters.push_back({now, deadline, std::move(callback)});
            return;
        }
    }
    if (waiting_ >= settings_.queue_limit) {
        callback(Outcome{nullptr,
                         {FailureClass::too_many_connections,
                          fmt::format("{} lookups are waiting already (queue_limit)", waiting_)}});
        return;
    }
    if (hopeless()) {
        callback(Outcome{nullptr, hosts_.front().last_failure()});
        return;
    }
    auto request = std::make_shared<Request>();
    request->query = std::move(query);
    request->queued_at = now;
    request->waiters.push_back({now, deadline, std::move(callback)});
    queue_up(lane);
    if (request->query.statement->repeatable())
        lane->by_identity.emplace(request->query.identity, request.get());
    lane->waiting.push_back(std::move(request));
    ++waiting_;
    dispatch();
    schedule_sweep();
}

void Pool::change(const PoolSettings& settings) {
    settings_ = settings;
    shrink();
    dispatch();
    schedule_sweep();
}

void Pool::renew() {
    std::vector<Slot*> coming;
    for (const auto& slot : slots_) {
        if (slot->coming()) coming.push_back(slot.get());
    }
    for (auto* slot : coming) bury(*slot);
    for (std::size_t host = 0; host < hosts_.size(); ++host) retire_all_to(host);
}

void Pool::wind_down() {
    settings_.idle_interval = Duration::zero();
    std::vector<Slot*> idle;
    for (const auto& slot : slots_) {
        if (slot->idle()) idle.push_back(slot.get());
    }
    for (auto* slot : idle) bury(*slot);
}

PoolStats Pool::stats() const {
    PoolStats stats;
    stats.waiting = waiting_;
    stats.connections = buried_.size();
    for (const auto& slot : slots_) {
        ++stats.connections;
        if (slot->state == SlotState::ready) ++stats.ready;
        stats.in_flight += slot->in_flight.size();
    }
    return stats;
}

void Pool::slot_connected(Slot& slot, Duration round_trip) {
    if (slot.state == SlotState::resetting) {
        slot.state = SlotState::ready;
        slot.since = loop_.now();
        dispatch();
    }
    if (slot.state != SlotState::connecting) return;
    const auto now = loop_.now();
    auto& host = hosts_[slot.host];
    const auto before = host.health();
    if (host.connected(now, now - slot.since)) log_return(host, before);
    slot.state = SlotState::ready;
    slot.since = slot.opened_at = now;
    slot.round_trip = round_trip;
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

// Whose trouble it is, for the log: one account may be refused where another one is not.
std::string Pool::trouble_subject(const Host& host) const {
    return fmt::format("{} {} {}", name_, driver_->account(), host.info().label);
}

// What comes from servers and libraries passes here.
Failure Pool::without_secrets(Failure failure) const {
    failure.message = driver_->without_secrets(failure.message);
    return failure;
}

void Pool::slot_finished(Slot& slot, QueryToken token, const Outcome& outcome) {
    const auto now = loop_.now();
    const auto found = std::find_if(slot.in_flight.begin(), slot.in_flight.end(),
                                    [token](const InFlight& entry) { return entry.token == token; });
    if (found == slot.in_flight.end()) return;
    InFlight entry = std::move(*found);
    // Sent to an idle server the time includes the network; behind others it does not.
    const bool was_alone = entry.sent >= slot.last_finished;
    const Duration taken = now - std::max(entry.sent, slot.last_finished);
    slot.in_flight.erase(found);
    slot.last_finished = now;
    slot.since = now;
    slot.solitary = false;
    slot.silent = false;
    left_connection(entry);
    auto& host = hosts_[slot.host];
    const auto before = host.health();
    if (host.answered(now)) log_return(host, before);

    auto& request = *entry.request;
    // Before the answer, which may bring the next lookup.
    const bool too_large = !outcome.ok() && outcome.failure.kind == FailureClass::too_large;
    if (slot.state == SlotState::ready) {
        if (too_large || slot.connection->worn()) {
            slot.state = SlotState::retiring;
        } else if (request.query.statement->leaves_state() || slot.connection->holds_transaction()) {
            slot.state = SlotState::resetting;
        }
    }
    // How long a connection was silent does not say how long a query takes.
    if (!entry.moved && (outcome.ok() || too_large || outcome.failure.kind == FailureClass::query)) {
        entry.lane->sample(std::max(Duration::zero(), was_alone ? taken - slot.round_trip : taken));
    }
    if (request.asked_twice) {
        if (outcome.ok()) {
            answered_here(request, slot, entry.sent);
        } else {
            hedges_.remove(request);  // it is not late any more
        }
    }
    if (outcome.ok()) {
        answer(request, outcome);
    } else {
        request.last_failure = outcome.failure;
        request.last_host = slot.host;
        if (outcome.failure.kind == FailureClass::query) request.failed_hosts.push_back(slot.host);
        const bool resend = outcome.failure.kind == FailureClass::resend;
        const bool conflict = outcome.failure.kind == FailureClass::conflict;
        if (resend) ++request.resends;
        if (conflict) ++request.losses;
        // Each connection may be found to know the statement as it was before a change.
        const bool enough =
            request.losses > losses_allowed || request.resends > settings_.size + losses_allowed;
        const bool again = !too_large && (resend || (request.query.statement->repeatable() &&
                                                     (conflict || other_host_may_answer(request))));
        if (again && !enough && !request.abandoned()) {
            requeue(entry.lane, std::move(entry.request));
        } else if (too_large || !under_way(request)) {
            answer(request, outcome);
        }
    }
    if (slot.state == SlotState::resetting && !slot.connection->reset()) slot.state = SlotState::retiring;
    if (slot.state == SlotState::retiring && slot.in_flight.empty()) bury(slot);
    if (too_large && slot.state != SlotState::closed) {
        // The rest of the answer may still come: it is not waited for.
        auto others = std::move(slot.in_flight);
        slot.in_flight.clear();
        bury(slot);
        ask_again(slot, std::move(others),
                  {FailureClass::lost, "the connection ended with a lookup whose answer was too large"},
                  true);
    }
    dispatch();
}

// Before something is put in its line: an empty one may still be among the busy ones.
void Pool::queue_up(const std::shared_ptr<Lane>& lane) {
    if (!lane->waiting.empty()) return;
    if (std::find(busy_lanes_.begin(), busy_lanes_.end(), lane) == busy_lanes_.end())
        busy_lanes_.push_back(lane);
}

void Pool::requeue(std::shared_ptr<Lane> lane, std::shared_ptr<Request> request) {
    if (!request->failed_hosts.empty() && !lane->is_elsewhere) {
        if (!lane->elsewhere) {
            lane->elsewhere = make_lane(lane->table());
            lane->elsewhere->is_elsewhere = true;
        }
        lane = lane->elsewhere;
    }
    queue_up(lane);
    if (request->query.statement->repeatable() && !request->asked_twice) {
        lane->by_identity.try_emplace(request->query.identity, request.get());
    }
    lane->waiting.push_front(std::move(request));
    ++waiting_;
}

void Pool::take_from_line(Lane& lane, std::size_t position) {
    const auto where = lane.waiting.begin() + static_cast<std::ptrdiff_t>(position);
    const auto shared = lane.by_identity.find((*where)->query.identity);
    if (shared != lane.by_identity.end() && shared->second == where->get()) lane.by_identity.erase(shared);
    lane.waiting.erase(where);
    --waiting_;
}

void Pool::left_connection(InFlight& entry) {
    if (std::exchange(entry.hedge, false)) hedges_.ended();
    if (entry.counted_slow) {
        if (!std::exchange(entry.spared, false)) --entry.lane->slow_connections;
        --slow_connections_;
        entry.counted_slow = false;
    }
    if (entry.overdue) {
        --entry.lane->overdue;
        entry.overdue = false;
    }
}

void Pool::answer(Request& request, const Outcome& outcome) {
    // A callback may submit the next lookup, but never touches this request again.
    for (auto& waiter : request.waiters) {
        if (!waiter.callback) continue;
        const auto callback = std::exchange(waiter.callback, nullptr);
        callback(outcome);
    }
}

// For failures found while the pool is in the middle of something.
void Pool::answer_later(std::shared_ptr<Request> request, Failure failure) {
    loop_.defer([alive = alive_, this, request = std::move(request), failure = std::move(failure)] {
        const Outcome outcome{nullptr, failure};
        if (*alive) {
            answer(*request, outcome);
            return;
        }
        for (auto& waiter : request->waiters) {
            if (waiter.callback) std::exchange(waiter.callback, nullptr)(outcome);
        }
    });
}

std::size_t Pool::connections_to(std::size_t host) const {
    return static_cast<std::size_t>(
        std::count_if(slots_.begin(), slots_.end(), [host](const auto& slot) { return slot->host == host; }));
}

std::size_t Pool::connecting() const {
    return static_cast<std::size_t>(std::count_if(
        slots_.begin(), slots_.end(), [](const auto& slot) { return slot->state == SlotState::connecting; }));
}

}  // namespace proxyd::pool
