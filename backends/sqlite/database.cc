#include "backends/sqlite/database.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "backends/report/redact.h"
#include "backends/sqlite/delivery.h"

namespace proxyd::sqlite {
namespace {

using pool::FailureClass;

constexpr std::chrono::milliseconds sweep_interval{20};

// If a thread works on one lookup for this long, the lookups behind it move to another thread.
constexpr std::chrono::milliseconds stuck_after{20};

// How long the end of a database waits for its threads. Running queries are stopped, so it takes longer only
// where the system does not return from a call (a network file system whose server is away).
constexpr std::chrono::milliseconds last_moment{50};

}  // namespace

Database::Database(Loop& loop, std::shared_ptr<OpenFiles> files, std::string path)
    : loop_(loop),
      files_(std::move(files)),
      path_(std::move(path)),
      timer_(loop.make_timer([this] { sweep(); })),
      file_({redact(path_)}) {
    files_->add(*this);
}

Database::~Database() {
    stop();
    std::vector<SharedLookup> left;
    for (const auto& worker : workers_) {
        auto lookups = worker->left_over();
        std::move(lookups.begin(), lookups.end(), std::back_inserter(left));
    }
    const auto unanswered = [&left](auto& lookups) {
        for (auto& lookup : lookups) {
            lookup->job.answer.fail({FailureClass::lost, "the database file is being closed"});
            left.push_back(std::move(lookup));
        }
        lookups.clear();
    };
    unanswered(fresh_);
    for (const auto& queue : slow_queues_) unanswered(queue->waiting);
    for (const auto& lookup : left) tell(*lookup);
}

void Database::stop() {
    timer_->stop();
    files_->remove(*this);
    for (const auto& worker : workers_) worker->stop(last_moment);
}

std::shared_ptr<TableQueue> Database::make_queue(Limits limits) {
    auto queue = std::make_shared<TableQueue>(limits);
    std::erase_if(queues_, [](const auto& known) { return known.expired(); });
    queues_.push_back(queue);
    return queue;
}

Limits Database::limits() const {
    std::optional<Limits> least;
    for (const auto& known : queues_) {
        const auto queue = known.lock();
        if (!queue) continue;
        if (!least) least = queue->limits();
        least->handles = std::min(least->handles, queue->limits().handles);
        least->idle = std::min(least->idle, queue->limits().idle);
    }
    return least.value_or(Limits{});
}

table::DatabaseReport Database::report() const {
    pool::PoolStats stats;
    stats.in_flight = static_cast<std::size_t>(
        std::count_if(workers_.begin(), workers_.end(), [](const auto& one) { return !one->idle(); }));
    stats.in_flight = std::min(std::max<std::size_t>(1, stats.in_flight), asked_);
    stats.waiting = asked_ - stats.in_flight;
    const auto name = redact(std::filesystem::path(path_).filename().string());
    return {"sqlite database " + name, 0, stats, {file_}};
}

void Database::run(const std::shared_ptr<TableQueue>& queue, const Question& question,
                   pool::OutcomeCallback&& callback) {
    const auto most = queue->limits().queue;
    if (asked_ >= most) {
        loop_.defer([callback = std::move(callback), most] {
            callback({nullptr,
                      {FailureClass::too_many_connections,
                       fmt::format("{} lookups are waiting already (queue_limit)", most)}});
        });
        return;
    }
    ++asked_;
    some_wait_ = true;
    auto lookup = spare_.take();
    auto& job = lookup->job;
    job.statement = question.statement;
    job.key = question.key;
    job.deadline = question.deadline;
    job.prepare_only = question.prepare_only;
    job.answer_limit = queue->limits().answer;
    lookup->asked.queue = queue;
    lookup->asked.callback = std::move(callback);
    if (queue->slow()) {
        if (queue->waiting.empty()) slow_queues_.push_back(queue);
        queue->waiting.push_back(std::move(lookup));
    } else {
        fresh_.push_back(std::move(lookup));
        if (fresh_.size() >= portion && quick_ != nullptr) hand_over();
    }
    if (!std::exchange(handing_over_, true)) {
        loop_.defer([weak = weak_from_this()] {
            const auto self = weak.lock();
            if (!self) return;
            self->handing_over_ = false;
            self->hand_over();
            self->hand_over_slow();
        });
    }
    watch();
}

// Hands over the quick lookups.
void Database::hand_over() {
    if (quick_ != nullptr && quick_->retiring()) quick_ = nullptr;
    if (fresh_.empty()) return;
    if (quick_ == nullptr) quick_ = idle_worker();
    if (quick_ == nullptr && !open()) return;
    if (quick_ == nullptr) quick_ = workers_.back().get();
    quick_->give(fresh_);
}

// Each slow table gets a thread in turn; tables with the fewest threads come first.
void Database::hand_over_slow() {
    std::erase_if(slow_queues_, [](const auto& queue) { return queue->waiting.empty(); });
    while (const auto queue = next_slow_queue()) {
        auto* worker = worker_for_slow();
        if (worker == nullptr) return;
        give_slow(*worker, *queue);
        std::erase(slow_queues_, queue);
        if (!queue->waiting.empty()) slow_queues_.push_back(queue);
    }
}

std::shared_ptr<TableQueue> Database::next_slow_queue() const {
    const auto fewest =
        std::min_element(slow_queues_.begin(), slow_queues_.end(),
                         [](const auto& a, const auto& b) { return a->running < b->running; });
    if (fewest == slow_queues_.end()) return nullptr;
    // The share of one table leaves a thread for the next table that turns out to be slow.
    const auto most = std::max<std::size_t>(1, workers_for_slow() * 2 / 3);
    return static_cast<std::size_t>((*fewest)->running) < most ? *fewest : nullptr;
}

// All but the one for quick lookups, and one for lookups that turn out to be slow only under way.
std::size_t Database::workers_for_slow() const {
    const auto most = limits().handles;
    return most > 2 ? most - 2 : 1;
}

Worker* Database::worker_for_slow() {
    const auto busy =
        static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(), [this](const auto& one) {
            return one.get() != quick_ && !one->idle();
        }));
    if (busy >= workers_for_slow()) return nullptr;
    if (auto* idle = idle_worker(); idle != nullptr) return idle;
    if (open()) return workers_.back().get();
    // A slow lookup behind quick ones is better than none at all.
    const bool alone = workers_.size() == 1 && quick_ != nullptr && quick_->idle() && !quick_->retiring();
    return alone ? quick_ : nullptr;
}

void Database::give_slow(Worker& worker, TableQueue& queue) {
    std::vector<SharedLookup> one;
    one.push_back(std::move(queue.waiting.front()));
    queue.waiting.pop_front();
    one.front()->asked.apart = &worker != quick_;
    if (&worker != quick_) ++queue.running;
    worker.give(one);
}

// Excludes the worker for quick lookups.
Worker* Database::idle_worker() const {
    const auto found = std::find_if(workers_.begin(), workers_.end(), [this](const auto& one) {
        return one->idle() && !one->retiring() && one.get() != quick_;
    });
    return found != workers_.end() ? found->get() : nullptr;
}

// Adds one worker, as the last of workers_.
bool Database::open() {
    if (workers_.size() >= limits().handles) return false;
    if (!files_->open(shared_from_this(), loop_.now())) return false;
    open_worker();
    return true;
}

void Database::open_worker() {
    const auto weak = weak_from_this();
    Worker::Owner owner{[weak](Worker& worker, std::vector<SharedLookup>& lookups) {
                            if (const auto self = weak.lock()) self->answered(worker, lookups);
                        },
                        [weak, files = files_](Worker& worker) {
                            if (const auto self = weak.lock()) self->worker_ended(worker);
                            files->next();
                        }};
    workers_.push_back(
        std::make_shared<Worker>(loop_, path_, std::move(owner), [files = files_] { files->closed(); }));
    workers_.back()->begin();
}

bool Database::proceed() {
    const bool wanted = (!fresh_.empty() && (quick_ == nullptr || quick_->retiring())) ||
                        (next_slow_queue() != nullptr && idle_worker() == nullptr);
    if (!wanted || workers_.size() >= limits().handles) return false;
    open_worker();
    hand_over();
    hand_over_slow();
    return true;
}

// The thread for quick lookups works on a slow one: the other lookups move to another thread.
void Database::free_quick() {
    if (quick_ == nullptr || limits().handles < 2) return;
    auto* const stuck = quick_->stuck_with(stuck_after);
    if (stuck == nullptr) return;
    if (idle_worker() == nullptr && workers_.size() >= limits().handles) return;
    stuck->overdue = stuck->apart = true;
    ++stuck->queue->overdue;
    ++stuck->queue->running;
    auto behind = quick_->take_back();
    quick_ = nullptr;
    std::vector<SharedLookup> quick;
    for (auto& lookup : behind) {
        const auto queue = lookup->asked.queue;
        if (!lookup->asked.callback) {
            --asked_;
        } else if (queue->slow()) {
            if (queue->waiting.empty()) slow_queues_.push_back(queue);
            queue->waiting.push_back(std::move(lookup));
        } else {
            quick.push_back(std::move(lookup));
        }
    }
    fresh_.insert(fresh_.begin(), std::make_move_iterator(quick.begin()),
                  std::make_move_iterator(quick.end()));
    hand_over();
    hand_over_slow();
}

void Database::answered(const Worker&, std::vector<SharedLookup>& lookups) {
    const auto self = shared_from_this();  // a callback may release the last reference
    for (const auto& lookup : lookups) {
        const auto& [job, asked] = *lookup;
        --asked_;
        if (asked.apart) --asked.queue->running;
        if (asked.overdue) --asked.queue->overdue;
        if (!job.locked_out && !job.prepare_only) asked.queue->sample(job.took);
        note(job.answer);
    }
    hand_over();
    hand_over_slow();
    tell_in_turn(lookups);
    watch();
}

// Hands on large answers one in a pass of the loop.
void Database::tell_in_turn(std::vector<SharedLookup>& lookups) {
    std::vector<SharedLookup> heavy;
    for (auto& lookup : lookups) {
        if (is_heavy(lookup->job.answer) && !loop_.take_heavy_turn()) {
            heavy.push_back(std::move(lookup));
        } else {
            tell(*lookup);
            spare_.keep(std::move(lookup));
        }
    }
    if (heavy.empty()) return;
    loop_.defer(
        [self = shared_from_this(), heavy = std::move(heavy)]() mutable { self->tell_in_turn(heavy); });
}

void Database::worker_ended(const Worker& worker) {
    if (quick_ == &worker) quick_ = nullptr;
    std::erase_if(workers_, [&worker](const auto& one) { return one.get() == &worker; });
    hand_over();
    hand_over_slow();
}

void Database::sweep() {
    const auto self = shared_from_this();
    const auto now = loop_.now();
    const auto workers = workers_;
    for (const auto& worker : workers) worker->deliver();
    expire(now);
    free_quick();
    if (!fresh_.empty() || !slow_queues_.empty()) {
        files_->make_room(now);
        hand_over();
        hand_over_slow();
    }
    close_idle(now);
    sweeping_ = false;
    timer_->stop();
    watch();
}

// The threads answer in time, unless the disk hangs or a thread works on another lookup with a later
// deadline.
void Database::expire(TimePoint now) {
    std::vector<pool::OutcomeCallback> late;
    some_wait_ = false;
    const auto take_late = [&](auto& lookups) {
        for (auto& lookup : lookups) {
            if (!lookup->job.deadline.passed(now)) continue;
            if (lookup->asked.callback) late.push_back(std::exchange(lookup->asked.callback, nullptr));
        }
        asked_ -= static_cast<std::size_t>(
            std::erase_if(lookups, [](const auto& lookup) { return !lookup->asked.callback; }));
        some_wait_ = some_wait_ || !lookups.empty();
    };
    take_late(fresh_);
    for (const auto& queue : slow_queues_) take_late(queue->waiting);
    for (const auto& worker : workers_) worker->take_late(now, late, some_wait_);
    if (late.empty()) return;
    note_failure(busy_too_long());
    for (const auto& callback : late) callback({nullptr, busy_too_long()});
}

// Keeps one handle of a file in WAL mode open: closing the last one deletes the files that a process without
// write access to the directory needs for opening.
void Database::close_idle(TimePoint now) {
    const auto idle = limits().idle;
    std::size_t staying = 0;
    for (const auto& worker : workers_) staying += worker->retiring() ? 0 : 1;
    for (const auto& worker : workers_) {
        if (!worker->idle() || worker->retiring() || now - worker->used_at() < idle) continue;
        if (staying == 1 && ::access((path_ + "-shm").c_str(), F_OK) == 0) return;
        worker->retire();
        --staying;
    }
}

void Database::watch() {
    const bool often = asked_ > 0 && some_wait_;
    if (timer_->running() && (sweeping_ || !often)) return;
    sweeping_ = often;
    if (often) {
        timer_->start(sweep_interval);
    } else if (!workers_.empty()) {
        timer_->start(std::max<Duration>(sweep_interval, limits().idle));
    }
}

// A wrong query is not the file's fault.
void Database::note(const Answer& answer) {
    if (answer.failed && pool::is_trouble_with_hosts(answer.failure.kind)) {
        note_failure(answer.failure);
    } else {
        (void)file_.connected(loop_.now(), {});
    }
}

// A file has no connection to lose: it is down until a lookup succeeds.
void Database::note_failure(const pool::Failure& failure) {
    file_.failed({FailureClass::unreachable, failure.message}, loop_.now(), random_, {loop_.now(), false});
}

}  // namespace proxyd::sqlite
