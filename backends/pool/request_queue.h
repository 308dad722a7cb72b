// The waiting requests of a pool: a queue for each table, and the turn of the tables. Pure.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/pool/table_queue.h"

namespace proxyd::pool {

class RequestQueue {
  public:
    // The queue of a table; whoever asks for the table owns it.
    [[nodiscard]] static std::shared_ptr<TableQueue> make(std::string table);

    // Requests that wait. Lookups with one coalescing key count once.
    [[nodiscard]] std::size_t waiting() const { return waiting_; }

    // The queues with waiting requests. In the middle of a round, or of a loop over a copy of it, a queue of
    // it may have become empty.
    [[nodiscard]] const std::vector<std::shared_ptr<TableQueue>>& busy() const { return busy_; }

    void push_back(const std::shared_ptr<TableQueue>& queue, std::shared_ptr<Request> request);

    // A request that was sent waits again, before the others of its table; one that a host has answered with
    // an error waits in the table's failover queue.
    void push_front(std::shared_ptr<TableQueue> queue, std::shared_ptr<Request> request);

    // Takes the request at this position out of the queue.
    void take(TableQueue& queue, std::size_t position);

    // Offers one request of each table in turn, beginning after the table that was served last. `serve`
    // returns whether it has done something with the queue's first request; it may change all queues. Returns
    // whether any call did.
    template <typename Serve>
    bool round(Serve serve) {
        bool progress = false;
        const auto count = busy_.size();
        const auto first = next_;
        for (std::size_t i = 0; i < count; ++i) {
            const auto queue = busy_[(first + i) % count];
            if (queue->waiting.empty() || !serve(queue)) continue;
            progress = true;
            next_ = (first + i + 1) % count;
        }
        drop_empty();
        return progress;
    }

    // Queues that have become empty are busy no more.
    void drop_empty();

    // Takes all requests out, in the order of their queues.
    [[nodiscard]] std::vector<std::shared_ptr<Request>> take_all();

  private:
    void mark_busy(const std::shared_ptr<TableQueue>& queue);

    std::vector<std::shared_ptr<TableQueue>> busy_;
    std::size_t next_ = 0;
    std::size_t waiting_ = 0;
};

}  // namespace proxyd::pool
