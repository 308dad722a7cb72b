// One SQLite file and the thread that works on it: calls into the library may wait for locks and for the
// disk.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backends/event/loop.h"
#include "backends/pool/query.h"
#include "backends/sqlite/statement.h"
#include "backends/table/query_runner.h"

namespace proxyd::sqlite {

// The values of one answer, as they came from the worker. SQLite tables answer with the first column only.
struct Answer {
    std::vector<std::optional<std::string>> values;
    bool failed = false;
    pool::Failure failure;
};

// Opens the file read-only when it is first asked, again when another file has taken its name, and keeps one
// prepared statement per table. A file that is locked is waited for until the deadline. Runs one query at a
// time, in order.
class Database {
  public:
    // The loop outlives the database.
    Database(Loop& loop, std::string path);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // Calls back from the loop exactly once, soon after the deadline at the latest; never before run()
    // returns. More than `queue_limit` waiting queries: the callback gets a failure.
    void run(std::shared_ptr<const Statement> statement, std::string key, Deadline deadline,
             std::size_t queue_limit, pool::OutcomeCallback callback, bool prepare_only = false);

    // The file is its only host.
    [[nodiscard]] table::DatabaseReport report() const;

    // Its thread ends, or at least uses the loop no more. Queries under way are answered only by the
    // destructor.
    void stop();

  private:
    struct Job;
    class Worker;

    Loop& loop_;
    std::string path_;
    std::shared_ptr<Worker> worker_;  // shared with the loop's deliveries on their way
    std::thread thread_;
};

}  // namespace proxyd::sqlite
