#include "backends/sqlite/worker.h"

#include <iterator>
#include <utility>

namespace proxyd::sqlite {
namespace {

constexpr std::chrono::milliseconds grace{20};  // the thread can tell better why it did not answer

// How long lookups may share one lock of the file: the lock keeps writers out.
constexpr std::chrono::milliseconds longest_batch{1};

}  // namespace

pool::Failure busy_too_long() {
    return {pool::FailureClass::lost, "the database file was busy until the deadline"};
}

Worker::Worker(Loop& loop, std::string path, Owner owner, std::function<void()> closed)
    : loop_(loop),
      handle_(std::move(path), [this] { (void)wake_loop(); }),
      owner_(std::move(owner)),
      closed_(std::move(closed)),
      opened_at_(loop.now()),
      used_at_(opened_at_) {}

Worker::~Worker() {
    if (thread_.joinable()) thread_.detach();
}

void Worker::begin() {
    thread_ = std::thread([self = shared_from_this()] { self->work(); });
}

void Worker::give(std::vector<Lookup>& lookups) {
    used_at_ = loop_.now();
    for (auto& lookup : lookups) asked_.push_back(std::move(lookup.asked));
    {
        const std::lock_guard lock(mutex_);
        for (auto& lookup : lookups) queue_.push_back(std::move(lookup.job));
    }
    lookups.clear();
    wake_.notify_one();
}

std::vector<Lookup> Worker::take_back() {
    std::deque<Job> jobs;
    {
        const std::lock_guard lock(mutex_);
        jobs.swap(queue_);
        batch_left_ = 0;
    }
    std::vector<Lookup> lookups;
    const auto first = asked_.end() - static_cast<std::ptrdiff_t>(jobs.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        auto& asked = first[static_cast<std::ptrdiff_t>(i)];
        lookups.push_back({std::move(jobs[i]), std::move(asked)});
    }
    asked_.erase(first, asked_.end());
    return lookups;
}

Asked* Worker::stuck_with(Duration time) {
    const std::lock_guard lock(mutex_);
    if (!under_way_since_ || handle_.locked_out()) return nullptr;
    if (loop_.now() - *under_way_since_ < time) return nullptr;
    return &asked_[done_.size()];
}

void Worker::take_late(TimePoint now, std::vector<pool::OutcomeCallback>& late, bool& some_wait) {
    for (auto& asked : asked_) {
        if (!asked.callback) continue;
        if (asked.deadline.at + grace > now) {
            some_wait = true;
        } else {
            late.push_back(std::exchange(asked.callback, nullptr));
        }
    }
}

void Worker::retire() {
    retiring_ = true;
    const std::lock_guard lock(mutex_);
    ending_ = true;
    wake_.notify_all();
}

void Worker::stop(Duration within) {
    if (!thread_.joinable()) return;
    handle_.stop();
    std::unique_lock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
    const bool ended = wake_.wait_for(lock, within, [this] { return ended_; });
    lock.unlock();
    if (ended) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

std::vector<Lookup> Worker::left_over() {
    std::vector<Lookup> lookups;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < asked_.size(); ++i) {
        lookups.push_back({i < done_.size() ? std::move(done_[i]) : Job{}, std::move(asked_[i])});
        if (i >= done_.size()) {
            lookups.back().job.answer.failed = true;
            lookups.back().job.answer.failure = {pool::FailureClass::lost,
                                                 "the database file is being closed"};
        }
    }
    asked_.clear();
    done_.clear();
    return lookups;
}

void Worker::deliver() {
    std::vector<Lookup> lookups;
    {
        const std::lock_guard lock(mutex_);
        lookups.reserve(done_.size());
        for (auto& job : done_) {
            lookups.push_back({std::move(job), std::move(asked_.front())});
            asked_.pop_front();
        }
        done_.clear();
        loop_woken_ = false;
    }
    if (lookups.empty()) return;
    used_at_ = loop_.now();
    owner_.answered(*this, std::move(lookups));
}

void Worker::end() {
    if (thread_.joinable()) thread_.join();
    owner_.ended(*this);
}

// All functions below run in the worker's own thread.

void Worker::work() {
    while (wait_for_lookups()) {
        const Handle::Batch batch(handle_, several_);
        TimePoint now = Clock::now();
        const TimePoint end = now + longest_batch;
        std::size_t answered = 0;
        auto job = next(std::nullopt, now, true);
        while (job) {
            look_up(*job, now);
            now = Clock::now();
            job = next(std::move(job), now, now < end);
            if (++answered % portion == 0 && !wake_loop()) break;
        }
        if (!wake_loop()) break;
    }
    handle_.close();
    closed_();
    const std::lock_guard lock(mutex_);
    ended_ = true;
    wake_.notify_all();
    if (!stopping_) loop_.post([self = shared_from_this()] { self->end(); });
}

// False when stopped, or when ending with nothing left.
bool Worker::wait_for_lookups() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stopping_ || ending_ || !queue_.empty(); });
    batch_left_ = queue_.size();
    several_ = batch_left_ > 1;
    return !stopping_ && !queue_.empty();
}

// Stores the finished job and takes the next one of the batch, if there is one and it is wanted.
std::optional<Job> Worker::next(std::optional<Job> done, TimePoint now, bool wanted) {
    const std::lock_guard lock(mutex_);
    under_way_since_.reset();
    if (stopping_) return std::nullopt;  // the answer is no longer wanted
    if (done) done_.push_back(std::move(*done));
    if (!wanted || batch_left_ == 0) return std::nullopt;
    --batch_left_;
    std::optional<Job> job(std::move(queue_.front()));
    queue_.pop_front();
    under_way_since_ = now;
    return job;
}

void Worker::look_up(Job& job, TimePoint now) {
    // The loop answers lookups whose deadline passed while they waited; working on them would be useless.
    if (job.deadline.passed(now)) {
        job.answer.failed = true;
        job.answer.failure = busy_too_long();
        job.locked_out = true;
        return;
    }
    job.answer = handle_.run(job);
    job.locked_out = handle_.was_locked_out();
    job.took = Clock::now() - now;
}

// Called at the end of a portion or batch, and before operations known to take long. False when stopped: then
// the loop may be gone.
bool Worker::wake_loop() {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    if (!done_.empty() && !loop_woken_) {
        loop_woken_ = true;
        loop_.post([self = shared_from_this()] { self->deliver(); });
    }
    return true;
}

}  // namespace proxyd::sqlite
