// A bounded pool of connections to one database, shared by all tables that use it.
//
// Lookups wait in one TableQueue per table. A free connection takes the next one. When all are busy, a lookup
// is pipelined on a connection that answers quickly. Queries of slow tables get connections for themselves,
// but never all of them. A lookup whose connection breaks is asked again elsewhere. A lookup whose connection
// is silent for long is hedged: a second connection is asked, and the first answer counts. While no host
// answers, lookups wait until their deadline and the hosts are tried again and again.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backends/event/lifetime.h"
#include "backends/event/loop.h"
#include "backends/pool/connection.h"
#include "backends/pool/hedge_line.h"
#include "backends/pool/host.h"
#include "backends/pool/host_choice.h"
#include "backends/pool/pooled_connection.h"
#include "backends/pool/request_queue.h"
#include "backends/pool/slow_share.h"
#include "backends/pool/table_queue.h"

namespace proxyd::pool {

// Without defaults: those of the options, which the tables of a pool bring along, hold.
struct PoolSettings {
    std::size_t size = 0;            // upper limit of connections, probes and attempts included
    std::size_t pipeline_depth = 1;  // queries under way on one connection; 1: no pipelining
    std::size_t queue_limit = 0;     // limit of waiting lookups; further ones fail at once
    Duration connect_timeout{};
    Duration idle_interval{};
    Duration reply_limit{};          // a connection silent for longer is closed
    Duration connection_lifetime{};  // an older connection gets no more queries; 0: no limit
};

struct PoolStats {
    std::size_t connections = 0;  // open or being opened
    std::size_t ready = 0;
    std::size_t waiting = 0;    // lookups not sent yet (those with one coalescing key count once)
    std::size_t in_flight = 0;  // queries sent
};

class Pool {
  public:
    // `name` names the database in the log. The loop outlives the pool. `seed` is for the choice among equal
    // hosts and for the jitter.
    Pool(Loop& loop, std::string name, std::vector<HostInfo> hosts, std::unique_ptr<Driver> driver,
         PoolSettings settings, unsigned seed = std::random_device{}());
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // Makes the waiting line for the lookups of a table.
    [[nodiscard]] std::shared_ptr<TableQueue> make_queue(std::string table);

    // Calls back exactly once, at the deadline at the latest, possibly before submit() returns.
    void submit(const std::shared_ptr<TableQueue>& queue, Query&& query, Deadline deadline,
                OutcomeCallback&& callback);

    // Takes effect at once; connections above a smaller size are closed when they become idle.
    void change(const PoolSettings& settings);
    [[nodiscard]] const PoolSettings& settings() const { return settings_; }

    // Replaces the open connections: they get no more queries. For settings that apply when a connection
    // begins.
    void renew();

    // Closes idle connections, now and from now on.
    void wind_down();

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] PoolStats stats() const;
    [[nodiscard]] const std::vector<Host>& hosts() const { return hosts_; }

  private:
    friend class PooledConnection;
    enum class Sent {
        yes,       // a connection has the query
        no,        // no connection can take it now
        answered,  // the request needs no query any more, or waits in another queue
    };

    // pool.cc, closing.cc: the events of requests and connections
    void connection_connected(PooledConnection& pooled, Duration round_trip);
    void log_return(const Host& host, HostHealth before);
    [[nodiscard]] std::string trouble_subject(const Host& host) const;
    void connection_finished(PooledConnection& pooled, QueryToken token, const Outcome& outcome);
    void connection_closed(PooledConnection& pooled, const Failure& failure);
    [[nodiscard]] Failure without_secrets(Failure failure) const;
    void give_up(PooledConnection& pooled, const Failure& failure);
    void ask_again(const PooledConnection& pooled, RingBuffer<InFlight> lost, const Failure& failure,
                   bool sent);
    void close(PooledConnection& pooled);
    void left_connection(InFlight& entry);
    [[nodiscard]] bool under_way(const Request& request) const;
    static void answer(Request& request, const Outcome& outcome);
    void answer_later(std::shared_ptr<Request> request, Failure failure);

    // dispatch.cc: the assignment of lookups to connections
    void dispatch();
    [[nodiscard]] bool any_waits() const { return !requests_.busy().empty() || !hedges_.empty(); }
    [[nodiscard]] Sent send_next(const std::shared_ptr<TableQueue>& queue);
    [[nodiscard]] bool send_if_possible(const std::shared_ptr<TableQueue>& queue,
                                        const std::shared_ptr<Request>& request);
    [[nodiscard]] bool may_send_slow(const TableQueue& queue) const;
    [[nodiscard]] bool is_crowded_out(const TableQueue& queue) const;
    [[nodiscard]] PooledConnection* pick_connection(const Request& request, bool solitary);
    [[nodiscard]] bool takes_queries(const PooledConnection& pooled) const;
    [[nodiscard]] bool is_quick(const PooledConnection& pooled, TimePoint now) const;
    InFlight& send(PooledConnection& pooled, const std::shared_ptr<TableQueue>& queue,
                   std::shared_ptr<Request> request, bool solitary);
    void open_more();
    [[nodiscard]] bool other_host_may_answer(const Request& request) const;
    [[nodiscard]] std::vector<HostLoad> host_loads() const;
    [[nodiscard]] std::optional<std::size_t> pick_host(const std::vector<std::size_t>& except) const;
    void open(std::size_t host);
    void wake_later(TimePoint now, bool any_ready);
    [[nodiscard]] bool all_misconfigured() const;
    [[nodiscard]] bool full() const { return connections_.size() + closing_.size() >= settings_.size; }

    // hedge.cc: lookups whose connection is silent
    void hedge_head(PooledConnection& pooled, TimePoint now);
    void send_hedges();
    [[nodiscard]] PooledConnection* pick_connection_for(const Hedge& hedge, bool unproven_too);
    void send_hedge(PooledConnection& pooled);
    [[nodiscard]] bool open_for(const Hedge& hedge);
    void expire_hedges(TimePoint now);
    void answered_here(Request& request, const PooledConnection& winner, TimePoint asked_at);
    void beaten(PooledConnection& pooled, const PooledConnection& winner, TimePoint now);
    [[nodiscard]] bool goes_on(const Request& request);
    [[nodiscard]] bool is_asked_beside(const PooledConnection& pooled, const Request& request) const;
    [[nodiscard]] bool is_expendable(const PooledConnection& pooled, TimePoint now) const;
    [[nodiscard]] bool expend_one(bool only_beaten);

    // upkeep.cc: time-driven work
    void sweep();
    void expire(Request& request, TimePoint now, std::optional<std::size_t> asked_host);
    [[nodiscard]] std::string why_expired(const Request& request,
                                          std::optional<std::size_t> asked_host) const;
    void expire_waiting(TimePoint now);
    void check_timeouts(PooledConnection& pooled, TimePoint now);
    [[nodiscard]] bool over_age(const PooledConnection& pooled, TimePoint now) const;
    void hedge_those_behind(PooledConnection& pooled, TimePoint now);
    void hedge_batch(PooledConnection& pooled, std::size_t together, TimePoint now);
    void rebalance(TimePoint now);
    void retire_one_of(const std::function<bool(const PooledConnection&)>& chosen);
    void retire_all_to(std::size_t host);
    void shrink();
    void make_room_for(std::size_t host, const std::function<bool(const PooledConnection&)>& victim);
    void schedule_sweep();

    // A request that was under way while so many connections broke probably breaks them.
    static constexpr int losses_allowed = 5;

    [[nodiscard]] std::size_t connections_to(std::size_t host) const;
    [[nodiscard]] std::size_t connecting() const;

    Loop& loop_;
    std::string name_;
    std::vector<Host> hosts_;
    std::unique_ptr<Driver> driver_;
    PoolSettings settings_;
    mutable std::minstd_rand random_;
    std::vector<std::unique_ptr<PooledConnection>> connections_;
    RequestQueue requests_;
    SlowShare slow_share_;
    HedgeLine hedges_;
    std::vector<std::unique_ptr<PooledConnection>>
        closing_;                           // closed, but not destroyed yet: they count until then
    std::optional<std::size_t> open_next_;  // the host for which a connection was retired
    std::size_t sharing_limit_ = 2;  // connections that quick queries are spread over, before they wait
    TimePoint sharing_grown_at_{};
    QueryToken next_token_ = 1;
    TimePoint rebalanced_at_{};
    std::unique_ptr<Timer> sweep_timer_;
    bool sweeping_often_ = false;
    std::unique_ptr<Timer> wake_timer_;
    TimePoint wake_at_{};  // when the timer is to fire; it may come a little earlier. Zero: it does not run
    Lifetime lifetime_;    // for work deferred past the pool's end
};

}  // namespace proxyd::pool
