// The waiting line of hedges: lookups to be asked on a second connection because the first one is silent.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "backends/event/clock.h"
#include "backends/pool/table_queue.h"

namespace proxyd::pool {

// A hedge that waits to be sent.
struct Hedge {
    std::shared_ptr<Request> request;
    std::shared_ptr<TableQueue> queue;
    std::size_t host = 0;  // of the late try
};

// Hedges are sent first in, first out, before all lookups of the table queues. Few are under way at once: a
// database that is slow for everybody must not get each query twice.
class HedgeLine {
  public:
    [[nodiscard]] static std::size_t limit(std::size_t pool_size) {
        return std::max<std::size_t>(1, pool_size / 4);
    }

    [[nodiscard]] bool may_send(std::size_t pool_size) const {
        return !waiting_.empty() && under_way_ < limit(pool_size);
    }
    [[nodiscard]] bool empty() const { return waiting_.empty(); }
    [[nodiscard]] const std::deque<Hedge>& all() const { return waiting_; }
    [[nodiscard]] bool holds(const Request& request) const {
        return std::any_of(waiting_.begin(), waiting_.end(),
                           [&request](const Hedge& one) { return one.request.get() == &request; });
    }

    void add(Hedge hedge) { waiting_.push_back(std::move(hedge)); }

    // Takes the first hedge, to be sent. It counts as under way until ended() is called for it.
    [[nodiscard]] Hedge send_first() {
        Hedge first = std::move(waiting_.front());
        waiting_.pop_front();
        ++under_way_;
        return first;
    }
    void ended() { --under_way_; }
    [[nodiscard]] bool any_under_way() const { return under_way_ > 0; }

    // The other try of this request was given up: its hedge is sent next.
    void to_front(const Request& request) {
        std::stable_partition(waiting_.begin(), waiting_.end(),
                              [&request](const Hedge& one) { return one.request.get() == &request; });
    }
    void remove(const Request& request) {
        std::erase_if(waiting_, [&request](const Hedge& one) { return one.request.get() == &request; });
    }
    void remove_abandoned() {
        std::erase_if(waiting_, [](const Hedge& one) { return one.request->abandoned(); });
    }

  private:
    std::deque<Hedge> waiting_;
    std::size_t under_way_ = 0;
};

}  // namespace proxyd::pool
