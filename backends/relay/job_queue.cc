#include "backends/relay/job_queue.h"

#include <algorithm>

namespace proxyd::relay {

void JobQueue::push(const JobPtr& job) {
    job->order = ++last_order_;
    lanes_[job->table].waiting.push_back(job);
    ++size_;
}

void JobQueue::push_again(const JobPtr& job) {
    auto& waiting = lanes_[job->table].waiting;
    const auto younger = std::find_if(waiting.begin(), waiting.end(),
                                      [&](const JobPtr& other) { return other->order > job->order; });
    waiting.insert(younger, job);
    ++size_;
}

JobQueue::Lanes::const_iterator JobQueue::next(std::size_t free) const {
    auto best = lanes_.end();
    for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
        const auto& [waiting, taken] = lane->second;
        if (waiting.empty() || taken >= free) continue;
        if (best == lanes_.end() || waiting.front()->order < best->second.waiting.front()->order) best = lane;
    }
    return best;
}

bool JobQueue::has_turn(std::size_t free) const {
    return next(free) != lanes_.end();
}

JobPtr JobQueue::take(std::size_t free) {
    const auto found = next(free);
    if (found == lanes_.end()) return nullptr;
    auto& lane = lanes_.find(found->first)->second;
    JobPtr job = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    ++lane.taken;
    --size_;
    return job;
}

void JobQueue::released(const Job& job) {
    const auto lane = lanes_.find(job.table);
    --lane->second.taken;
    if (lane->second.taken == 0 && lane->second.waiting.empty()) lanes_.erase(lane);
}

void JobQueue::remove(const JobPtr& job) {
    const auto lane = lanes_.find(job->table);
    if (lane == lanes_.end()) return;
    auto& waiting = lane->second.waiting;
    const auto found = std::find(waiting.begin(), waiting.end(), job);
    if (found == waiting.end()) return;
    waiting.erase(found);
    --size_;
    if (lane->second.taken == 0 && waiting.empty()) lanes_.erase(lane);
}

std::vector<JobPtr> JobQueue::remove_all() {
    std::vector<JobPtr> all;
    for (auto lane = lanes_.begin(); lane != lanes_.end();) {
        all.insert(all.end(), lane->second.waiting.begin(), lane->second.waiting.end());
        lane->second.waiting.clear();
        lane = lane->second.taken == 0 ? lanes_.erase(lane) : std::next(lane);
    }
    std::sort(all.begin(), all.end(), [](const JobPtr& a, const JobPtr& b) { return a->order < b->order; });
    size_ = 0;
    return all;
}

}  // namespace proxyd::relay
