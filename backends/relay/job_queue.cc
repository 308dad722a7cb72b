#include "backends/relay/job_queue.h"

#include <algorithm>

namespace proxyd::relay {

void JobQueue::push(const JobPtr& job) {
    job->order = ++last_order_;
    queues_[job->table].waiting.push_back(job);
    ++size_;
}

void JobQueue::push_again(const JobPtr& job) {
    auto& waiting = queues_[job->table].waiting;
    const auto younger = std::find_if(waiting.begin(), waiting.end(),
                                      [&](const JobPtr& other) { return other->order > job->order; });
    waiting.insert(younger, job);
    ++size_;
}

JobQueue::TableQueues::const_iterator JobQueue::next(std::size_t free) const {
    auto best = queues_.end();
    for (auto queue = queues_.begin(); queue != queues_.end(); ++queue) {
        const auto& [waiting, taken] = queue->second;
        if (waiting.empty() || taken >= free) continue;
        if (best == queues_.end() || waiting.front()->order < best->second.waiting.front()->order)
            best = queue;
    }
    return best;
}

bool JobQueue::has_turn(std::size_t free) const {
    return next(free) != queues_.end();
}

JobPtr JobQueue::take(std::size_t free) {
    const auto found = next(free);
    if (found == queues_.end()) return nullptr;
    auto& queue = queues_.find(found->first)->second;
    JobPtr job = std::move(queue.waiting.front());
    queue.waiting.pop_front();
    ++queue.taken;
    --size_;
    return job;
}

void JobQueue::released(const Job& job) {
    const auto queue = queues_.find(job.table);
    --queue->second.taken;
    if (queue->second.taken == 0 && queue->second.waiting.empty()) queues_.erase(queue);
}

void JobQueue::remove(const JobPtr& job) {
    const auto queue = queues_.find(job->table);
    if (queue == queues_.end()) return;
    auto& waiting = queue->second.waiting;
    const auto found = std::find(waiting.begin(), waiting.end(), job);
    if (found == waiting.end()) return;
    waiting.erase(found);
    --size_;
    if (queue->second.taken == 0 && waiting.empty()) queues_.erase(queue);
}

std::vector<JobPtr> JobQueue::remove_all() {
    std::vector<JobPtr> all;
    for (auto queue = queues_.begin(); queue != queues_.end();) {
        all.insert(all.end(), queue->second.waiting.begin(), queue->second.waiting.end());
        queue->second.waiting.clear();
        queue = queue->second.taken == 0 ? queues_.erase(queue) : std::next(queue);
    }
    std::sort(all.begin(), all.end(), [](const JobPtr& a, const JobPtr& b) { return a->order < b->order; });
    size_ = 0;
    return all;
}

}  // namespace proxyd::relay
