#include "backends/sqlite/database.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <iterator>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "backends/sqlite/handle.h"

namespace proxyd::sqlite {
namespace {

using pool::FailureClass;

constexpr std::chrono::milliseconds sweep_interval{20};
constexpr std::chrono::milliseconds grace{20};  // the worker knows better why it could not answer

// How long the end of a database waits for its worker: what runs is stopped, so it takes longer only where
// the system does not return from a call (a network file system whose server is away).
constexpr std::chrono::milliseconds last_moment{50};

// So many lookups, or answers, are handed over before the rest has come: then both threads have work.
constexpr std::size_t portion = 32;

// How long lookups go on sharing one lock of the file, which keeps writers out.
constexpr std::chrono::milliseconds longest_batch{1};

pool::Failure busy_too_long() {
    return {FailureClass::lost, "the database file was busy until the deadline"};
}

class AnswerRows final : public pool::Rows {
  public:
    explicit AnswerRows(const Answer& answer) : answer_(answer) {}

    [[nodiscard]] std::size_t rows() const override { return answer_.values.size(); }
    [[nodiscard]] std::size_t columns() const override { return 1; }
    [[nodiscard]] std::optional<std::string_view> cell(std::size_t row, std::size_t) const override {
        const auto& value = answer_.values[row];
        if (!value) return std::nullopt;
        return *value;
    }

  private:
    const Answer& answer_;
};

}  // namespace

struct Database::Job {
    std::shared_ptr<const Statement> statement;
    std::string key;
    Deadline deadline;
    bool prepare_only = false;
    Answer answer;
};

// What the two threads share. `waiting_` goes to the worker, `done_` comes back to the loop. What one pass of
// the loop brings is handed over in one go, or a portion at a time, and so are their answers: waking a thread
// costs more than a query.
class Database::Worker : public std::enable_shared_from_this<Database::Worker> {
  public:
    Worker(Loop& loop, std::string path)
        : loop_(loop),
          handle_(path, [this] { (void)wake_loop(); }),
          timer_(loop.make_timer([this] { expire(); })),
          file_({std::move(path)}) {}

    // In the loop's thread. False: too many wait already; the callback is left alone.
    [[nodiscard]] bool put(Job job, std::size_t queue_limit, pool::OutcomeCallback& callback) {
        if (asked_.size() >= queue_limit) return false;
        asked_.push_back({job.deadline, std::move(callback)});
        if (fresh_.empty()) loop_.defer([self = shared_from_this()] { self->hand_over(); });
        fresh_.push_back(std::move(job));
        if (fresh_.size() >= portion) hand_over();
        if (!timer_->running()) timer_->start(sweep_interval);
        return true;
    }

    // In the loop's thread: the worker answers in time unless the disk hangs or another lookup, with a later
    // deadline, is being worked on. Then answers from before it may be there, too.
    void expire() {
        const auto self = shared_from_this();
        deliver();
        std::vector<pool::OutcomeCallback> late;
        bool some_wait = false;
        for (auto& asked : asked_) {
            if (!asked.callback) continue;
            if (asked.deadline.at + grace > loop_.now()) {
                some_wait = true;
            } else {
                late.push_back(std::exchange(asked.callback, nullptr));
            }
        }
        if (!late.empty()) note_failure(busy_too_long());
        if (some_wait) timer_->start(sweep_interval);
        for (const auto& callback : late) {
            callback({nullptr, busy_too_long()});
        }
    }

    // In the loop's thread. The worker runs one query at a time.
    [[nodiscard]] table::DatabaseReport report() const {
        pool::PoolStats stats;
        stats.in_flight = asked_.empty() ? 0 : 1;
        stats.waiting = asked_.size() - stats.in_flight;
        const auto name = std::filesystem::path(file_.info().label).filename().string();
        return {"sqlite database " + name, 0, stats, {file_}};
    }

    // From now on the worker touches nothing but itself. Returns whether it ends within the time.
    [[nodiscard]] bool stop(Duration within) {
        timer_->stop();
        handle_.stop();
        std::unique_lock lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
        return wake_.wait_for(lock, within, [this] { return ended_; });
    }

    // The worker's thread.
    void work() {
        while (take()) {
            const Handle::Batch batch(handle_, taken_.size() > 1);
            TimePoint now = Clock::now();
            const TimePoint end = now + longest_batch;
            std::size_t answered = 0;
            while (!taken_.empty() && now < end && !handle_.stopped()) {
                work_on(taken_.front(), now);
                keep_answer(std::move(taken_.front()));
                taken_.pop_front();
                if (++answered % portion == 0 && !wake_loop()) break;
                now = Clock::now();
            }
            if (!wake_loop()) break;
        }
        const std::lock_guard lock(mutex_);
        ended_ = true;
        wake_.notify_all();
    }

    // In the loop's thread, again.
    void deliver() {
        std::vector<Job> done;
        {
            const std::lock_guard lock(mutex_);
            done.swap(done_);
            loop_woken_ = false;
        }
        // All before the first callback, which may be the last that the database lives for.
        const auto end = asked_.begin() + static_cast<std::ptrdiff_t>(done.size());
        std::vector<Asked> answered(std::make_move_iterator(asked_.begin()), std::make_move_iterator(end));
        asked_.erase(asked_.begin(), end);
        for (const auto& job : done) note(job.answer);
        for (std::size_t i = 0; i < done.size(); ++i) {
            const auto callback = std::move(answered[i].callback);
            const auto& answer = done[i].answer;
            if (!callback) continue;
            if (answer.failed) {
                callback({nullptr, answer.failure});
            } else {
                const AnswerRows rows(answer);
                callback({&rows, {}});
            }
        }
    }

    // After stop(): who still waits gets a failure.
    void give_up() {
        deliver();
        timer_.reset();
        for (const auto& asked : std::exchange(asked_, {})) {
            if (!asked.callback) continue;
            asked.callback({nullptr, {FailureClass::lost, "the database file is being closed"}});
        }
    }

  private:
    struct Asked {
        Deadline deadline;
        pool::OutcomeCallback callback;  // empty once answered
    };

    // In the loop's thread. That a query is wrong is not the file's fault.
    void note(const Answer& answer) {
        if (answer.failed && pool::is_trouble_with_hosts(answer.failure.kind)) {
            note_failure(answer.failure);
        } else {
            file_.connected();
        }
    }

    // A file has no connection to lose: until a lookup tells otherwise it is down.
    void note_failure(const pool::Failure& failure) {
        file_.failed({FailureClass::unreachable, failure.message}, loop_.now(), random_);
    }

    // In the loop's thread.
    void hand_over() {
        if (fresh_.empty()) return;
        {
            const std::lock_guard lock(mutex_);
            std::move(fresh_.begin(), fresh_.end(), std::back_inserter(waiting_));
        }
        fresh_.clear();
        wake_.notify_one();
    }

    // In the worker's thread: waits for queries. False when told to stop.
    [[nodiscard]] bool take() {
        std::unique_lock lock(mutex_);
        if (taken_.empty()) wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        std::move(waiting_.begin(), waiting_.end(), std::back_inserter(taken_));
        waiting_.clear();
        return !stopping_;
    }

    // In the worker's thread.
    void work_on(Job& job, TimePoint now) {
        // The loop answers those whose deadline has passed while they waited; working on them helps nobody.
        if (job.deadline.passed(now)) {
            job.answer.failed = true;
            job.answer.failure = busy_too_long();
        } else {
            job.answer = handle_.run(job.statement, job.key, job.deadline, job.prepare_only);
        }
    }

    // In the worker's thread. After stop() nobody waits for it.
    void keep_answer(Job job) {
        const std::lock_guard lock(mutex_);
        if (!stopping_) done_.push_back(std::move(job));
    }

    // In the worker's thread, at the end of a portion or batch and before anything that is known to take
    // long. False when told to stop: then the loop may be gone.
    [[nodiscard]] bool wake_loop() {
        const std::lock_guard lock(mutex_);
        if (stopping_) return false;
        if (!done_.empty() && !loop_woken_) {
            loop_woken_ = true;
            loop_.post([self = shared_from_this()] { self->deliver(); });
        }
        return true;
    }

    Loop& loop_;
    Handle handle_;
    // Of the loop's thread. The worker answers in the order in which it was asked.
    std::unique_ptr<Timer> timer_;
    std::deque<Asked> asked_;
    std::vector<Job> fresh_;
    pool::Host file_;
    std::minstd_rand random_;  // for its back-off, which nobody waits for
    // Of the worker's thread.
    std::deque<Job> taken_;
    // Of both.
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Job> waiting_;
    std::vector<Job> done_;
    bool loop_woken_ = false;  // for what is in done_
    bool stopping_ = false;
    bool ended_ = false;
};

Database::Database(Loop& loop, std::string path)
    : loop_(loop),
      path_(std::move(path)),
      worker_(std::make_shared<Worker>(loop_, path_)),
      thread_([worker = worker_] { worker->work(); }) {}

Database::~Database() {
    stop();
    worker_->give_up();
}

table::DatabaseReport Database::report() const {
    return worker_->report();
}

void Database::stop() {
    if (!thread_.joinable()) return;
    if (worker_->stop(last_moment)) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

void Database::run(std::shared_ptr<const Statement> statement, std::string key, Deadline deadline,
                   std::size_t queue_limit, pool::OutcomeCallback callback, bool prepare_only) {
    Job job{std::move(statement), std::move(key), deadline, prepare_only, {}};
    if (worker_->put(std::move(job), queue_limit, callback)) return;
    loop_.defer([callback = std::move(callback), queue_limit] {
        callback({nullptr,
                  {FailureClass::too_many_connections,
                   fmt::format("{} lookups are waiting already (queue_limit)", queue_limit)}});
    });
}

}  // namespace proxyd::sqlite
