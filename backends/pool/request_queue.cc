#include "backends/pool/request_queue.h"

#include <algorithm>

namespace proxyd::pool {

std::shared_ptr<TableQueue> RequestQueue::make(std::string table) {
    return std::make_shared<TableQueue>(std::move(table));
}

// Called before a request is put in the queue: an empty queue may still be listed as busy.
void RequestQueue::mark_busy(const std::shared_ptr<TableQueue>& queue) {
    if (!queue->waiting.empty()) return;
    if (std::find(busy_.begin(), busy_.end(), queue) == busy_.end()) busy_.push_back(queue);
}

void RequestQueue::push_back(const std::shared_ptr<TableQueue>& queue, std::shared_ptr<Request> request) {
    mark_busy(queue);
    if (request->query.statement->repeatable()) queue->shareable.add(*request);
    queue->waiting.push_back(std::move(request));
    ++waiting_;
}

void RequestQueue::push_front(std::shared_ptr<TableQueue> queue, std::shared_ptr<Request> request) {
    if (!request->failed_hosts.empty() && !queue->is_failover) {
        if (!queue->failover_queue) {
            queue->failover_queue = make(queue->table());
            queue->failover_queue->is_failover = true;
        }
        queue = queue->failover_queue;
    }
    mark_busy(queue);
    if (request->query.statement->repeatable() && !request->hedged) queue->shareable.add(*request);
    queue->waiting.push_front(std::move(request));
    ++waiting_;
}

void RequestQueue::take(TableQueue& queue, std::size_t position) {
    queue.shareable.remove(*queue.waiting[position]);
    queue.waiting.erase(position);
    --waiting_;
}

void RequestQueue::drop_empty() {
    const auto is_empty = [](const auto& queue) { return queue->waiting.empty(); };
    // The turn stays with the same table.
    const auto turn = busy_.begin() + static_cast<std::ptrdiff_t>(std::min(next_, busy_.size()));
    next_ -= static_cast<std::size_t>(std::count_if(busy_.begin(), turn, is_empty));
    std::erase_if(busy_, is_empty);
}

std::vector<std::shared_ptr<Request>> RequestQueue::take_all() {
    std::vector<std::shared_ptr<Request>> all;
    for (const auto& queue : busy_) {
        for (const auto& request : queue->waiting) {
            queue->shareable.remove(*request);
            all.push_back(request);
        }
        queue->waiting.clear();
    }
    busy_.clear();
    next_ = 0;
    waiting_ = 0;
    return all;
}

}  // namespace proxyd::pool
