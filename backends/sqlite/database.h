// One SQLite file, its threads, and the assignment of lookups to threads.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backends/event/loop.h"
#include "backends/pool/host.h"
#include "backends/sqlite/open_files.h"
#include "backends/sqlite/spare_lookups.h"
#include "backends/sqlite/table_queue.h"
#include "backends/sqlite/worker.h"
#include "backends/table/query_runner.h"

namespace proxyd::sqlite {

// Opens the file read-only at the first lookup, and again when another file has taken its name; closes it
// when it is idle. It waits for a locked file until the deadline.
//
// Quick lookups of all tables share one thread, in order. A table with slow lookups gets threads of its own,
// but never all. When a lookup of the shared thread turns out to be slow, the lookups behind it move to
// another thread.
class Database : public std::enable_shared_from_this<Database> {
  public:
    // The loop outlives the database.
    Database(Loop& loop, std::shared_ptr<OpenFiles> files, std::string path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    [[nodiscard]] std::shared_ptr<TableQueue> make_queue(Limits limits);

    // Read during the call alone.
    struct Question {
        const std::shared_ptr<const Statement>& statement;
        const std::string& key;
        Deadline deadline;
        bool prepare_only = false;
    };

    // Calls back from the loop exactly once, soon after the deadline at the latest; never before run()
    // returns. If more lookups are under way than the limit of the queue, the callback gets a failure.
    void run(const std::shared_ptr<TableQueue>& queue, const Question& question,
             pool::OutcomeCallback&& callback);

    // The file appears as the only host.
    [[nodiscard]] table::DatabaseReport report() const;

    // Ends the threads, or at least their use of the loop. Only the destructor answers queries that are under
    // way.
    void stop();

    // Called by OpenFiles: one more handle may be opened. False: none is needed any more.
    [[nodiscard]] bool proceed();
    [[nodiscard]] const std::vector<std::shared_ptr<Worker>>& workers() const { return workers_; }

  private:
    void hand_over();
    void hand_over_slow();
    void tell_in_turn(std::vector<SharedLookup>& lookups);
    [[nodiscard]] std::shared_ptr<TableQueue> next_slow_queue() const;
    [[nodiscard]] Worker* worker_for_slow();
    void give_slow(Worker& worker, TableQueue& queue);
    [[nodiscard]] std::size_t workers_for_slow() const;
    [[nodiscard]] Worker* idle_worker() const;
    [[nodiscard]] bool open();
    void open_worker();
    void free_quick();
    void answered(const Worker& worker, std::vector<SharedLookup>& lookups);
    void worker_ended(const Worker& worker);
    void sweep();
    void expire(TimePoint now);
    void close_idle(TimePoint now);
    void watch();
    void note(const Answer& answer);
    void note_failure(const pool::Failure& failure);
    [[nodiscard]] Limits limits() const;

    Loop& loop_;
    std::shared_ptr<OpenFiles> files_;
    std::string path_;
    std::vector<std::weak_ptr<TableQueue>> queues_;
    std::vector<std::shared_ptr<TableQueue>> slow_queues_;  // with waiting lookups
    std::vector<SharedLookup> fresh_;                       // quick lookups that no worker has yet
    SpareLookups spare_;
    std::vector<std::shared_ptr<Worker>> workers_;
    Worker* quick_ = nullptr;  // one of workers_: it gets the quick lookups
    std::size_t asked_ = 0;    // number of lookups without an answer
    bool handing_over_ = false;
    std::unique_ptr<Timer> timer_;
    bool sweeping_ = false;  // often
    bool some_wait_ = false;
    pool::Host file_;
    std::minstd_rand random_;  // for the back-off of file_, which delays no lookup
};

}  // namespace proxyd::sqlite
