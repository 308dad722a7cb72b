// One open SQLite file, used by one thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "backends/event/clock.h"
#include "backends/pool/failure.h"
#include "backends/sqlite/lookup.h"
#include "backends/table/file_stamp.h"

namespace proxyd::sqlite {

class Handle {
  public:
    // `before_long` is called in the thread that runs queries, before operations that may take long: waiting
    // for a lock, and a query that needs many steps.
    Handle(std::string path, std::function<void()> before_long)
        : path_(std::move(path)), before_long_(std::move(before_long)) {}

    // Queries that were all asked before the batch began. The file is checked once. Several queries read one
    // state of the file, as its locks need more system calls than a query.
    class Batch {
      public:
        Batch(Handle& handle, bool several) : handle_(handle) { handle.begin(several); }
        ~Batch() { handle_.end(); }
        Batch(const Batch&) = delete;
        Batch& operator=(const Batch&) = delete;

      private:
        Handle& handle_;
    };

    // Runs the query, or only prepares it, and writes the answer into the job. Called within a batch.
    void run(Job& job);

    // The running query ends within a moment, and no other one runs. Safe from any thread.
    void stop() { stopped_ = true; }
    [[nodiscard]] bool stopped() const { return stopped_; }

    // Whether the handle waits for a lock that another process holds. Safe from any thread.
    [[nodiscard]] bool locked_out() const { return locked_out_; }
    // Whether the last query waited for such a lock.
    [[nodiscard]] bool was_locked_out() const { return was_locked_out_; }

    void close();

  private:
    struct DatabaseCloser {
        void operator()(sqlite3* database) const { sqlite3_close(database); }
    };
    struct StatementCloser {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    using StatementHandle = std::unique_ptr<sqlite3_stmt, StatementCloser>;

    void begin(bool several);
    void end();
    // Called before a statement of a batch is stepped.
    void share_state(sqlite3_stmt* statement);
    void open();
    void run_bound(Job& job, const sql::KeyParts& parts);
    void run_text(Job& job, const std::string& text);
    // Both return null when the text cannot be prepared, and write that into the answer. The second one keeps
    // the statement for the table.
    [[nodiscard]] StatementHandle prepare(const std::string& text, Answer& answer);
    [[nodiscard]] sqlite3_stmt* prepared(Job& job);
    void step(sqlite3_stmt* statement, Answer& answer) const;
    // The library's last error decides the class of the failure.
    void fail(Answer& answer, std::string message) const;
    [[nodiscard]] std::string message() const;
    static int busy(void* self, int tries);
    static int progress(void* self);

    // Runs a statement without rows; returns whether it worked.
    [[nodiscard]] static bool run_once(sqlite3_stmt* statement);

    std::string path_;
    std::function<void()> before_long_;
    bool several_ = false;
    std::string not_open_;     // why the file cannot be used
    table::FileStamp opened_;  // identity of the open file
    std::unique_ptr<sqlite3, DatabaseCloser> database_;
    // The members below are destroyed before the database.
    std::map<std::weak_ptr<const Statement>, StatementHandle, std::owner_less<>> prepared_;
    StatementHandle begin_;
    StatementHandle commit_;
    std::vector<std::string> values_;  // parameters of the last query; kept for their memory
    Deadline deadline_{};
    std::atomic<bool> stopped_{false};
    std::atomic<bool> locked_out_{false};
    bool was_locked_out_ = false;
};

}  // namespace proxyd::sqlite
