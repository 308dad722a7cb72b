#include "backends/sqlite/database.h"

#include <deque>
#include <map>
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

// How long lookups go on sharing one lock of the file, which keeps writers out.
constexpr std::chrono::milliseconds longest_batch{1};

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
    std::uint64_t id = 0;
    std::shared_ptr<const Statement> statement;
    std::string key;
    Deadline deadline;
    bool prepare_only = false;
    Answer answer;
};

// What the two threads share. `waiting` goes to the worker, `done` comes back to the loop.
class Database::Worker : public std::enable_shared_from_this<Database::Worker> {
  public:
    Worker(Loop& loop, std::string path)
        : loop_(loop), handle_(std::move(path)), timer_(loop.make_timer([this] { expire(); })) {}

    // In the loop's thread. False: too many wait already; the callback is left alone.
    [[nodiscard]] bool put(Job job, std::size_t queue_limit, pool::OutcomeCallback& callback) {
        job.id = ++last_id_;
        const Deadline deadline = job.deadline;
        {
            const std::lock_guard lock(mutex_);
            if (waiting_.size() >= queue_limit) return false;
            waiting_.push_back(std::move(job));
        }
        wake_.notify_one();
        asked_.emplace(last_id_, Asked{deadline, std::move(callback)});
        if (!timer_->running()) timer_->start(sweep_interval);
        return true;
    }

    // In the loop's thread: the worker answers in time unless the disk hangs or another lookup, with a later
    // deadline, is being worked on.
    void expire() {
        const auto self = shared_from_this();
        std::vector<pool::OutcomeCallback> late;
        for (auto asked = asked_.begin(); asked != asked_.end();) {
            if ((asked->second.deadline.at + grace) > loop_.now()) {
                ++asked;
                continue;
            }
            late.push_back(std::move(asked->second.callback));
            asked = asked_.erase(asked);
        }
        if (!asked_.empty()) timer_->start(sweep_interval);
        for (const auto& callback : late) {
            callback({nullptr, {FailureClass::lost, "the database file was busy until the deadline"}});
        }
    }

    // From now on the worker touches nothing but itself. Returns whether it ends within the time.
    [[nodiscard]] bool stop(Duration within) {
        handle_.stop();
        std::unique_lock lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
        return wake_.wait_for(lock, within, [this] { return ended_; });
    }

    // The worker's thread.
    void work() {
        work_until_stopped();
        const std::lock_guard lock(mutex_);
        ended_ = true;
        wake_.notify_all();
    }
    void work_until_stopped() {
        while (const std::size_t waiting = wait()) {
            const Handle::Batch batch(handle_, waiting > 1);
            TimePoint now = Clock::now();
            const TimePoint end = now + longest_batch;
            for (std::size_t left = waiting; left > 0 && now < end; --left) {
                if (!work_on(next(), now)) return;
                now = Clock::now();
            }
        }
    }

    // How many wait: at least one; 0 when told to stop.
    [[nodiscard]] std::size_t wait() {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        return stopping_ ? 0 : waiting_.size();
    }

    [[nodiscard]] Job next() {
        const std::lock_guard lock(mutex_);
        Job job = std::move(waiting_.front());
        waiting_.pop_front();
        return job;
    }

    // False when told to stop.
    [[nodiscard]] bool work_on(Job job, TimePoint now) {
        // The loop answers those whose deadline has passed while they waited; working on them helps nobody.
        if (job.deadline.passed(now)) {
            job.answer.failed = true;
            job.answer.failure = {FailureClass::lost, "the database file was busy until the deadline"};
        } else {
            job.answer = handle_.run(job.statement, job.key, job.deadline, job.prepare_only);
        }
        // Under the lock: once stop() has it, the loop may be gone.
        const std::lock_guard lock(mutex_);
        if (stopping_) return false;
        if (done_.empty()) loop_.post([self = shared_from_this()] { self->deliver(); });
        done_.push_back(std::move(job));
        return true;
    }

    // In the loop's thread, again.
    void deliver() {
        std::vector<Job> done;
        {
            const std::lock_guard lock(mutex_);
            done.swap(done_);
        }
        for (auto& job : done) {
            const auto asked = asked_.find(job.id);
            if (asked == asked_.end()) continue;
            const auto callback = std::move(asked->second.callback);
            asked_.erase(asked);
            if (job.answer.failed) {
                callback({nullptr, job.answer.failure});
            } else {
                const AnswerRows rows(job.answer);
                callback({&rows, {}});
            }
        }
    }

    // After stop(): who still waits gets a failure.
    void give_up() {
        deliver();
        timer_.reset();
        for (const auto& [id, asked] : std::exchange(asked_, {})) {
            asked.callback({nullptr, {FailureClass::lost, "the database file is being closed"}});
        }
    }

  private:
    struct Asked {
        Deadline deadline;
        pool::OutcomeCallback callback;
    };

    Loop& loop_;
    Handle handle_;
    // Of the loop's thread.
    std::unique_ptr<Timer> timer_;
    std::uint64_t last_id_ = 0;
    std::map<std::uint64_t, Asked> asked_;
    // Of both.
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> waiting_;
    std::vector<Job> done_;
    bool stopping_ = false;
    bool ended_ = false;
};

Database::Database(Loop& loop, std::string path)
    : loop_(loop),
      path_(std::move(path)),
      worker_(std::make_shared<Worker>(loop_, path_)),
      thread_([worker = worker_] { worker->work(); }) {}

Database::~Database() {
    if (worker_->stop(last_moment)) {
        thread_.join();
    } else {
        thread_.detach();
    }
    worker_->give_up();
}

void Database::run(std::shared_ptr<const Statement> statement, std::string key, Deadline deadline,
                   std::size_t queue_limit, pool::OutcomeCallback callback, bool prepare_only) {
    Job job{0, std::move(statement), std::move(key), deadline, prepare_only, {}};
    if (worker_->put(std::move(job), queue_limit, callback)) return;
    loop_.defer([callback = std::move(callback), queue_limit] {
        callback({nullptr,
                  {FailureClass::too_many_connections,
                   fmt::format("{} lookups are waiting already (queue_limit)", queue_limit)}});
    });
}

}  // namespace proxyd::sqlite
