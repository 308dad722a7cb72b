// One SQLite file, the threads that work on it, and which lookup goes to which of them.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backends/event/loop.h"
#include "backends/pool/host.h"
#include "backends/sqlite/open_files.h"
#include "backends/sqlite/table_queue.h"
#include "backends/sqlite/worker.h"
#include "backends/table/query_runner.h"

namespace proxyd::sqlite {

// Opens the file read-only when it is first asked, again when another file has taken its name, and closes it
// when it is idle. A file that is locked is waited for until the deadline.
//
// Quick lookups of all tables share one thread, in order. Those of a table whose lookups take long get
// threads of their own, and never all; while one shows only now that it takes long, the lookups behind it go
// to another thread.
class Database : public std::enable_shared_from_this<Database> {
  public:
    // The loop outlives the database.
    Database(Loop& loop, std::shared_ptr<OpenFiles> files, std::string path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    [[nodiscard]] std::shared_ptr<TableQueue> make_queue(Limits limits);

    // Calls back from the loop exactly once, soon after the deadline at the latest; never before run()
    // returns. More lookups under way than the limit of the queue: the callback gets a failure.
    void run(const std::shared_ptr<TableQueue>& queue, Job job, pool::OutcomeCallback callback);

    // The file is its only host.
    [[nodiscard]] table::DatabaseReport report() const;

    // Its threads end, or at least use the loop no more. Queries under way are answered only by the
    // destructor.
    void stop();

    // For OpenFiles: it may open one more handle. False: it needs none any more.
    [[nodiscard]] bool proceed();
    [[nodiscard]] const std::vector<std::shared_ptr<Worker>>& workers() const { return workers_; }

  private:
    void hand_over();
    void hand_over_slow();
    void tell_in_turn(std::vector<Lookup> lookups);
    [[nodiscard]] std::shared_ptr<TableQueue> next_slow_queue() const;
    [[nodiscard]] Worker* worker_for_slow();
    void give_slow(Worker& worker, TableQueue& queue);
    [[nodiscard]] std::size_t workers_for_slow() const;
    [[nodiscard]] Worker* idle_worker() const;
    [[nodiscard]] bool open();
    void open_worker();
    void free_quick();
    void answered(const Worker& worker, std::vector<Lookup> lookups);
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
    std::vector<Lookup> fresh_;                             // quick ones that no worker has yet
    std::vector<std::shared_ptr<Worker>> workers_;
    Worker* quick_ = nullptr;  // of workers_: whom quick lookups go to
    std::size_t asked_ = 0;    // lookups without an answer
    bool handing_over_ = false;
    std::unique_ptr<Timer> timer_;
    bool sweeping_ = false;  // often
    bool some_wait_ = false;
    pool::Host file_;
    std::minstd_rand random_;  // for its back-off, which nobody waits for
};

}  // namespace proxyd::sqlite
