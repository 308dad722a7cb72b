#include "backends/pool/request_queue.h"

#include <algorithm>

namespace proxyd::pool {

std::shared_ptr<TableQueue> RequestQueue::make(std::string table) {
    return std::make_shared<TableQueue>(std::move(table));
}

Request* RequestQueue::same(const TableQueue& queue, const Query& query) {
    const auto found = queue.by_coalescing_key.find(query.coalescing_key);
    if (found == queue.by_coalescing_key.end()) return nullptr;
    return found->second->query.statement == query.statement ? found->second : nullptr;
}

// Called before a request is put in the queue: an empty queue may still be listed as busy.
void RequestQueue::mark_busy(const std::shared_ptr<TableQueue>& queue) {
    if (!queue->waiting.empty()) return;
    if (std::find(busy_.begin(), busy_.end(), queue) == busy_.end()) busy_.push_back(queue);
}

void RequestQueue::push_back(const std::shared_ptr<TableQueue>& queue, std::shared_ptr<Request> request) {
    mark_busy(queue);
    if (request->query.statement->repeatable())
        queue->by_coalescing_key.emplace(request->query.coalescing_key, request.get());
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
    if (request->query.statement->repeatable() && !request->hedged)
        queue->by_coalescing_key.try_emplace(request->query.coalescing_key, request.get());
    queue->waiting.push_front(std::move(request));
    ++waiting_;
}

void RequestQueue::take(TableQueue& queue, std::size_t position) {
    const auto where = queue.waiting.begin() + static_cast<std::ptrdiff_t>(position);
    const auto shared = queue.by_coalescing_key.find((*where)->query.coalescing_key);
    if (shared != queue.by_coalescing_key.end() && shared->second == where->get())
        queue.by_coalescing_key.erase(shared);
    queue.waiting.erase(where);
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
        all.insert(all.end(), queue->waiting.begin(), queue->waiting.end());
        queue->by_coalescing_key.clear();
        queue->waiting.clear();
    }
    busy_.clear();
    next_ = 0;
    waiting_ = 0;
    return all;
}

}  // namespace proxyd::pool
