// The share of a pool's connections that slow tables may hold together. The rest stays for quick queries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "backends/pool/table_queue.h"

namespace proxyd::pool {

// What a query under way holds of the share.
enum class HeldShare {
    none,            // nothing: its table was fast when it was sent
    pool_and_table,  // a connection, which counts for the pool and for its table
    pool,            // a connection, which counts for the pool alone: of a query that is asked twice
};

// Counts the connections that work on queries of tables that are not fast: those of the pool here, those of
// each table in its TableQueue::slow_connections.
class SlowShare {
  public:
    [[nodiscard]] static std::size_t limit(std::size_t pool_size) {
        const auto reserved = std::max<std::size_t>(1, pool_size / 4);
        return pool_size > reserved ? pool_size - reserved : 1;
    }

    // Whether the tables together leave a connection for another query of this one.
    [[nodiscard]] bool has_room(const TableQueue& queue, std::size_t pool_size) const {
        return held_ < limit_for(queue, pool_size);
    }

    // Whether this table may have another connection, as far as the other tables are concerned. One table
    // never holds the whole share. Tables that hold the fewest connections come first. `busy` are the queues
    // with waiting requests.
    [[nodiscard]] static bool is_turn_of(const TableQueue& queue, std::size_t pool_size,
                                         const std::vector<std::shared_ptr<TableQueue>>& busy) {
        const auto own = static_cast<std::size_t>(queue.slow_connections);
        if (own >= std::max<std::size_t>(1, limit_for(queue, pool_size) * 2 / 3)) return false;
        return std::none_of(busy.begin(), busy.end(), [&queue](const auto& other) {
            return other.get() != &queue && !other->waiting.empty() && other->speed() != Speed::fast &&
                   other->waiting.front()->failed_hosts.empty() &&
                   other->slow_connections < queue.slow_connections;
        });
    }

    // A query of the table holds a connection, from now on or already.
    void hold(HeldShare& held, TableQueue& queue) {
        if (held != HeldShare::none) return;
        held = HeldShare::pool_and_table;
        ++queue.slow_connections;
        ++held_;
    }

    // The query is asked on two connections: the table's other queries must not wait for both.
    static void release_for_table(HeldShare& held, TableQueue& queue) {
        if (held != HeldShare::pool_and_table) return;
        held = HeldShare::pool;
        --queue.slow_connections;
    }

    // The query is under way no more.
    void release(HeldShare& held, TableQueue& queue) {
        release_for_table(held, queue);
        if (held == HeldShare::pool) --held_;
        held = HeldShare::none;
    }

    // Connections that are held now.
    [[nodiscard]] std::size_t held() const { return held_; }

  private:
    // A usually fast table that has met a few late answers may use a reserved connection; the last one stays
    // for others.
    [[nodiscard]] static std::size_t limit_for(const TableQueue& queue, std::size_t pool_size) {
        const auto all = limit(pool_size);
        return queue.usually_fast() && all + 1 < pool_size ? all + 1 : all;
    }

    std::size_t held_ = 0;
};

}  // namespace proxyd::pool
