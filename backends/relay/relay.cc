#include "backends/relay/relay.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "backends/relay/shared_process.h"
#include "backends/relay/slot.h"
#include "backends/relay/table_kind.h"
#include "backends/relay/translation.h"
#include "backends/report/excerpt.h"
#include "backends/report/log.h"

namespace proxyd::relay {

namespace flag = protocol::flag;
using namespace std::chrono_literals;
using protocol::Command;
using protocol::Flags;
using protocol::Layout;
using protocol::Reply;
using protocol::Request;
using protocol::Status;

namespace {

// The stock server checks for changed files when it accepts a connection.
constexpr auto connection_age = 1s;

// The value of Postfix's own clients.
constexpr auto idle_time = 5s;

// The pause between attempts to connect, and how long an absent server may take to come back before lookups
// fail at once.
constexpr auto connect_pause = 50ms;
constexpr auto absence = 1s;

constexpr int attempts_limit = 3;
constexpr std::size_t opened_limit = 10000;

}  // namespace

Relay::Relay(Loop& loop, RelaySettings settings)
    : loop_(loop),
      settings_(std::move(settings)),
      layout_(settings_.layout),
      look_timer_(loop.make_timer([this] { look(); })),
      unused_timer_(loop.make_timer([this] { close_unused(); })) {}

Relay::~Relay() = default;

void Relay::ask(const Request& request, ReplyCallback callback, std::optional<Deadline> deadline) {
    take(std::make_shared<Job>(request, std::move(callback)), deadline);
}

void Relay::take(const JobPtr& job, std::optional<Deadline> deadline) {
    if (settings_.path.empty()) {
        trouble_ = "there is no stock server to ask";
        give_up(job, trouble_);
        return;
    }
    if (queue_.size() >= static_cast<std::size_t>(settings_.queue_limit)) {
        give_up(job, fmt::format("{} requests wait already", queue_.size()));
        return;
    }
    job->timer = loop_.make_timer([this, weak = std::weak_ptr(job)] {
        if (const auto alive = weak.lock()) expired(alive);
    });
    const auto limit = settings_.lookup_timeout;
    job->timer->start(deadline ? std::min(limit, deadline->left(loop_.now())) : limit);
    queue_.push(job);
    dispatch();
}

void Relay::lookup(std::string_view table, std::string_view key, Deadline deadline, ReplyCallback callback) {
    Request request;
    request.table = table;
    request.key = key;
    request.flags = flag::lock | flag::utf8_request;
    const auto job = std::make_shared<Job>(request, std::move(callback));
    job->of_domain_list = true;
    take(job, deadline);
}

void Relay::change(RelaySettings settings) {
    settings_ = std::move(settings);
    layout_ = settings_.layout;
    absent_since_.reset();
    // Busy connections are closed when they become idle.
    for (const auto& slot : slots_) slot->opened_at = {};
    close_unusable();
}

void Relay::wind_down() {
    winding_down_ = true;
    close_unused();
}

// Assigns waiting requests to free connections.
void Relay::dispatch() {
    while (queue_.has_turn(free())) {
        const auto idle =
            std::find_if(slots_.begin(), slots_.end(), [this](const auto& slot) { return usable(*slot); });
        if (idle == slots_.end()) {
            close_unusable();
            if (may_open()) open_connection();
            break;
        }
        send(**idle, queue_.take(free()));
    }
    look_later();
}

void Relay::send(Slot& slot, const JobPtr& job) {
    const auto instance = open_of(job->request);
    const std::pair key{job->table, for_server(instance, layout_, 0).instance_flags};
    const auto opened = opened_.find(key);
    const bool open_first = needs_opened_flags(job->request, layout_) && opened == opened_.end();
    job->sent = for_server(open_first ? instance : job->request, layout_,
                           opened == opened_.end() ? 0 : opened->second);
    slot.state = Slot::State::busy;
    slot.since = loop_.now();
    slot.job = job;
    if (!slot.connection->send(job->sent)) {
        queue_.push_again(release(slot));
        remove(slot);
    }
}

void Relay::open_connection() {
    auto slot = std::make_unique<Slot>();
    auto* const opened = slot.get();
    slot->id = ++last_id_;
    slot->opened_at = loop_.now();
    slot->connection = std::make_unique<Connection>(
        loop_, Connection::Events{[this, opened] { ready(*opened); },
                                  [this, opened](const Reply& reply) { replied(*opened, reply); },
                                  [this, opened](const std::string& reason) { lost(*opened, reason); }});
    const int error = slot->connection->connect(settings_.path, settings_.greeting);
    if (error != 0) {
        cannot_connect(error);
        return;
    }
    slots_.push_back(std::move(slot));
}

void Relay::cannot_connect(int error) {
    const auto now = loop_.now();
    open_again_at_ = now + connect_pause;
    trouble_ = fmt::format("connect to {}: {}", settings_.path, std::strerror(error));
    if (error == EAGAIN) return;  // the server is there, but cannot hold more waiting connections
    if (!absent_since_) absent_since_ = now;
    if (now - *absent_since_ < absence || !slots_.empty()) return;
    open_again_at_ = now;
    for (const auto& job : queue_.remove_all()) give_up(job, trouble_);
}

// Closes idle connections that are no longer good, to make room for a new one.
void Relay::close_unusable() {
    for (std::size_t i = slots_.size(); i-- > 0;) {
        if (slots_[i]->state == Slot::State::idle && !usable(*slots_[i])) remove(*slots_[i]);
    }
}

bool Relay::usable(const Slot& slot) const {
    const auto now = loop_.now();
    return slot.state == Slot::State::idle && now - slot.opened_at < connection_age &&
           !would_wait_behind_another(slot, slots_, now);
}

bool Relay::may_open() const {
    const auto now = loop_.now();
    return now >= open_again_at_ && slots_.size() < static_cast<std::size_t>(settings_.connections) &&
           all_processes_work(slots_, now);
}

std::size_t Relay::free() const {
    const auto busy = std::count_if(slots_.begin(), slots_.end(),
                                    [](const auto& slot) { return slot->state == Slot::State::busy; });
    const auto all = std::max<std::size_t>(slots_.size(), static_cast<std::size_t>(settings_.connections));
    return all - static_cast<std::size_t>(busy);
}

void Relay::look_later() {
    if (look_timer_->running()) return;
    const bool opening = std::any_of(slots_.begin(), slots_.end(),
                                     [](const auto& slot) { return slot->state == Slot::State::opening; });
    const bool room = slots_.size() < static_cast<std::size_t>(settings_.connections);
    const bool waits_for_connection = queue_.size() > 0 && room && !opening;
    if (waits_for_connection || is_any_suspicious(slots_)) look_timer_->start(work_begins_within);
}

void Relay::look() {
    for (std::size_t i = slots_.size(); i-- > 0;) {
        auto& slot = *slots_[i];
        if (!waits_behind_another(slot, slots_, loop_.now()) || !slot.job->repeatable()) continue;
        const auto job = release(slot);
        remove(slot);
        if (!job->answered()) queue_.push_again(job);
    }
    dispatch();
}

void Relay::close_unused() {
    const auto limit = winding_down_ ? Duration::zero() : Duration(idle_time);
    bool more = false;
    for (std::size_t i = slots_.size(); i-- > 0;) {
        if (slots_[i]->state != Slot::State::idle) continue;
        if (loop_.now() - slots_[i]->since >= limit) {
            remove(*slots_[i]);
        } else {
            more = true;
        }
    }
    if (more) unused_timer_->start(idle_time);
}

void Relay::ready(Slot& slot) {
    absent_since_.reset();
    trouble_.clear();
    slot.state = Slot::State::idle;
    slot.since = loop_.now();
    note_accepted(slot, slots_);
    dispatch();
    if (winding_down_) close_unused();
    if (!unused_timer_->running()) unused_timer_->start(idle_time);
}

void Relay::replied(Slot& slot, const Reply& reply) {
    slot.has_replied = true;
    note_replied(slot, slots_);
    const auto job = release(slot);
    handle(job, reply);
    dispatch();
    if (winding_down_) close_unused();
}

void Relay::handle(const JobPtr& job, const Reply& reply) {
    const auto layout = job->sent.layout;
    if (reply.status == Status::bad) {
        // The request is right, so the server is of another generation. It may have been replaced.
        if (layout == layout_) layout_ = layout == Layout::flags ? Layout::instance_flags : Layout::flags;
        if (++job->attempts < attempts_limit) {
            if (!job->answered()) queue_.push_again(job);
        } else {
            give_up(job, "the stock server does not understand the request");
        }
        return;
    }
    if (reply.status == Status::deny) {
        // proxyd has checked that a client's table is approved.
        give_up(job,
                fmt::format("the stock server behind {} does not approve this table: {}in master.cf give "
                            "it -n {} and the options that proxyd has",
                            settings_.path,
                            job->of_domain_list ? fmt::format("a domain list names it, so list proxy:{} in "
                                                              "proxy_read_maps; if it is there, ",
                                                              job->table)
                                                : "",
                            settings_.service_name));
        return;
    }
    if (job->sent.command == Command::open && reply.status == Status::ok) {
        if (opened_.size() >= opened_limit) opened_.clear();
        opened_[{job->table, job->sent.instance_flags}] = reply.flags;
        if (job->request.command != Command::open) {
            if (!job->answered()) queue_.push_again(job);
            return;
        }
    }
    if (job->sent.command != job->request.command ||
        (job->request.command == Command::open && reply.status != Status::ok)) {
        give_up(job, "the stock server cannot open this table");
        return;
    }
    answer(job, for_client(job->request, layout, reply));
}

void Relay::lost(Slot& slot, const std::string& reason) {
    if (!slot.has_replied) open_again_at_ = loop_.now() + connect_pause;
    if (!slot.has_replied && slots_.size() == 1) trouble_ = fmt::format("{}: {}", settings_.path, reason);
    const auto job = slot.job ? release(slot) : nullptr;
    remove(slot);
    if (job && !job->answered()) repeat(job, reason);
    dispatch();
}

JobPtr Relay::release(Slot& slot) {
    queue_.released(*slot.job);
    slot.state = Slot::State::idle;
    slot.since = loop_.now();
    return std::exchange(slot.job, nullptr);
}

// The connection may be the caller.
void Relay::remove(const Slot& slot) {
    slot.connection->close();
    const auto found = std::find_if(slots_.begin(), slots_.end(),
                                    [&](const auto& candidate) { return candidate.get() == &slot; });
    loop_.defer([closed = std::shared_ptr<Slot>(std::move(*found))] {});
    slots_.erase(found);
    note_closed(slot.id, slots_);
}

void Relay::repeat(const JobPtr& job, const std::string& reason) {
    // An update may already have been executed.
    if (job->repeatable() && ++job->attempts < attempts_limit) {
        queue_.push_again(job);
    } else {
        give_up(job, reason);
    }
}

void Relay::answer(const JobPtr& job, const Reply& reply) {
    job->timer.reset();
    const auto callback = std::exchange(job->callback, nullptr);
    if (callback) callback(reply);
}

void Relay::give_up(const JobPtr& job, const std::string& reason) {
    if (job->answered()) return;
    const auto& request = job->request;
    // When Postfix stops, the stock server ends, too. If it is missing for another reason, our successor logs
    // it.
    if (!winding_down_ || !is_absent()) {
        // Without the server one line is enough for all tables.
        const std::string topic = reason == trouble_ ? "" : job->table;
        log().warning(
            fmt::format("relay {} {}", topic, reason),
            fmt::format("table {}: {}{}", excerpt(job->table), reason, is_absent() ? settings_.advice : ""));
    }
    Reply reply{Status::retry, protocol::echoed_flags(request), {}, {}};
    if (request.command == Command::open) {
        reply.status = Status::ok;
        reply.flags = announced(request);
    }
    answer(job, reply);
}

// The flags of the server's last reply to open, or else the usual ones.
Flags Relay::announced(const Request& open) const {
    constexpr Flags lasting = flag::implementation | flag::try0null | flag::try1null;
    const std::string table(open.table);
    const auto known = opened_.lower_bound({table, 0});
    const bool is_known = known != opened_.end() && known->first.first == table;
    const Flags flags = (is_known ? known->second : usual_flags(table)) & lasting;
    return open.layout == Layout::instance_flags ? open.instance_flags | flags : flags;
}

// Why a request has had no reply. If no connection was accepted, the fault is the service's, not the table's.
std::string Relay::silence() const {
    const bool accepted = std::any_of(slots_.begin(), slots_.end(),
                                      [](const auto& slot) { return slot->state != Slot::State::opening; });
    return fmt::format("no reply from the stock server behind {} in {} ms{}", settings_.path,
                       settings_.lookup_timeout / 1ms, accepted ? "" : settings_.silence_advice);
}

void Relay::expired(const JobPtr& job) {
    const auto reason = trouble_.empty() ? silence() : trouble_;
    queue_.remove(job);
    // A request under way keeps its connection until the server has finished it: more connections would only
    // make more processes wait for the same thing.
    give_up(job, reason);
}

}  // namespace proxyd::relay
