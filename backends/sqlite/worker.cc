#include "backends/sqlite/worker.h"

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

void Worker::give(std::vector<SharedLookup>& lookups) {
    used_at_ = loop_.now();
    for (const auto& lookup : lookups) asked_.push_back(lookup);
    {
        const std::lock_guard lock(mutex_);
        for (auto& lookup : lookups) queue_.push_back(std::move(lookup));
    }
    lookups.clear();
    wake_.notify_one();
}

std::vector<SharedLookup> Worker::take_back() {
    pool::RingBuffer<SharedLookup> jobs;
    {
        const std::lock_guard lock(mutex_);
        jobs.swap(queue_);
        batch_left_ = 0;
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) asked_.pop_back();
    return {jobs.begin(), jobs.end()};
}

Asked* Worker::stuck_with(Duration time) {
    const std::lock_guard lock(mutex_);
    if (!under_way_since_ || handle_.locked_out()) return nullptr;
    if (loop_.now() - *under_way_since_ < time) return nullptr;
    return &asked_[done_]->asked;
}

void Worker::take_late(TimePoint now, std::vector<pool::OutcomeCallback>& late, bool& some_wait) {
    for (const auto& lookup : asked_) {
        if (!lookup->asked.callback) continue;
        if (lookup->job.deadline.at + grace > now) {
            some_wait = true;
        } else {
            late.push_back(std::exchange(lookup->asked.callback, nullptr));
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

std::vector<SharedLookup> Worker::left_over() {
    std::vector<SharedLookup> lookups;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < asked_.size(); ++i) {
        if (i < done_) {
            lookups.push_back(std::move(asked_[i]));
            continue;
        }
        // The thread may still work on the job.
        lookups.push_back(std::make_shared<Lookup>());
        lookups.back()->asked = std::move(asked_[i]->asked);
        lookups.back()->job.answer.fail({pool::FailureClass::lost, "the database file is being closed"});
    }
    asked_.clear();
    done_ = 0;
    return lookups;
}

void Worker::deliver() {
    std::size_t count = 0;
    {
        const std::lock_guard lock(mutex_);
        count = std::exchange(done_, 0);
        loop_woken_ = false;
    }
    if (count == 0) return;
    auto lookups = std::exchange(answered_, {});
    for (; count > 0; --count) {
        lookups.push_back(std::move(asked_.front()));
        asked_.pop_front();
    }
    used_at_ = loop_.now();
    const auto self = shared_from_this();  // the owner may release it
    owner_.answered(*this, lookups);
    lookups.clear();
    answered_ = std::move(lookups);
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
        auto lookup = next(nullptr, now, true);
        while (lookup) {
            look_up(lookup->job, now);
            now = Clock::now();
            lookup = next(std::move(lookup), now, now < end);
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

// Marks the lookup as done and takes the next one of the batch, if there is one and it is wanted.
SharedLookup Worker::next(SharedLookup done, TimePoint now, bool wanted) {
    const std::lock_guard lock(mutex_);
    under_way_since_.reset();
    if (stopping_) return nullptr;  // the answer is no longer wanted
    if (done) {
        ++done_;
        done.reset();  // before the loop sees it: the last owner is the loop
    }
    if (!wanted || batch_left_ == 0) return nullptr;
    --batch_left_;
    auto lookup = std::move(queue_.front());
    queue_.pop_front();
    under_way_since_ = now;
    return lookup;
}

void Worker::look_up(Job& job, TimePoint now) {
    // The loop answers lookups whose deadline passed while they waited; working on them would be useless.
    if (job.deadline.passed(now)) {
        job.answer.fail(busy_too_long());
        job.locked_out = true;
        return;
    }
    handle_.run(job);
    job.locked_out = handle_.was_locked_out();
    job.took = Clock::now() - now;
}

// Called at the end of a portion or batch, and before operations known to take long. False when stopped: then
// the loop may be gone.
bool Worker::wake_loop() {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    if (done_ > 0 && !loop_woken_) {
        loop_woken_ = true;
        loop_.post([self = shared_from_this()] { self->deliver(); });
    }
    return true;
}

}  // namespace proxyd::sqlite
