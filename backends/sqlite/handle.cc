#include "backends/sqlite/handle.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/report/file_access_advice.h"

namespace proxyd::sqlite {
namespace {

using pool::FailureClass;

// Pause between tries to get at a locked file: short at first, as writers are mostly quick.
constexpr std::chrono::milliseconds longest_nap{20};

constexpr std::size_t most_statements = 200;

// 16 MiB of pages at most, instead of 2: reading a page again is a system call.
constexpr auto page_cache = "PRAGMA cache_size = -16384";

// Virtual machine steps between checks of the clock.
constexpr int steps_between_looks = 10000;

// The result for a statement that is not run. A writing statement can be prepared, and fails when it is run.
void try_without_run(sqlite3_stmt* statement, Answer& answer) {
    if (sqlite3_stmt_readonly(statement) != 0) return;
    answer.fail({FailureClass::query,
                 "the query writes, and SQLite files are opened for reading only: every lookup fails"});
}

// Errors of the file, which any query would meet, as opposed to errors of the query.
FailureClass class_of(int extended_code) {
    switch (extended_code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_IOERR:
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return FailureClass::unreachable;
        // Alone: a query that would write. With an extended code (a journal to be rolled back): the file.
        case SQLITE_READONLY:
            return extended_code == SQLITE_READONLY ? FailureClass::query : FailureClass::unreachable;
        default: return FailureClass::query;
    }
}

// What kind of thing has this name if it cannot be a database file, and "" if it can. On a FIFO the library
// would wait for a writer for ever.
std::string strange_kind(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode)) return "";
    if (S_ISDIR(status.st_mode)) return "a directory";
    if (S_ISFIFO(status.st_mode)) return "a FIFO";
    if (S_ISSOCK(status.st_mode)) return "a socket";
    return "a device";
}

// Why the file could not be opened; the library gives no more detail.
std::string why_not_open(const std::string& path, sqlite3* database, int status) {
    const int error = faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) == 0 ? 0 : errno;
    if (error == ENOENT || error == ENOTDIR) return "no such file";
    if (error == EACCES) {
        return fmt::format("permission denied for user {}. {}", effective_user(),
                           advice_to_let_read(effective_group(), path));
    }
    return database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(status);
}

// Even a reader has to create these files if they are missing.
std::string advice_for_wal(const std::string& path) {
    const auto slash = path.rfind('/');
    return fmt::format(
        ". The file is in WAL mode: {0}-wal and {0}-shm must be there, or user {1} must be able to "
        "make them: let {1} write to the directory {2}",
        path, effective_user(),
        slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1)));
}

// Lookups never write, so they cannot undo the unfinished change of a writer.
std::string advice_for_journal(const std::string& path) {
    return fmt::format(
        ". A writer ended in the middle of a change, and {0}-journal holds what undoes it: open the file "
        "once "
        "for writing as its owner: sqlite3 {0} 'PRAGMA user_version'",
        path);
}

std::string expanded(const Statement& statement, const sql::KeyParts& key) {
    const auto quote = [](std::string_view value, std::string& out) {
        for (const char c : value) {
            if (c == '\'') out += c;
            out += c;
        }
        return true;
    };
    return *sql::expand_query(statement.query, key, quote);
}

}  // namespace

void Handle::begin(bool several) {
    several_ = several;
    not_open_.clear();
    open();
}

void Handle::end() {
    if (!database_ || sqlite3_get_autocommit(database_.get()) != 0) return;
    if (run_once(commit_.get())) return;
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

// Only for statements that read and do nothing else: others have another meaning in a transaction.
void Handle::share_state(sqlite3_stmt* statement) {
    const bool reads = sqlite3_stmt_readonly(statement) != 0 && sqlite3_column_count(statement) > 0;
    const bool shared = sqlite3_get_autocommit(database_.get()) == 0;
    if (!reads) end();
    if (reads && several_ && !shared) (void)run_once(begin_.get());
}

bool Handle::run_once(sqlite3_stmt* statement) {
    const int status = sqlite3_step(statement);
    sqlite3_reset(statement);
    return status == SQLITE_DONE;
}

void Handle::run(Job& job) {
    deadline_ = job.deadline;
    locked_out_ = was_locked_out_ = false;
    job.answer.rows.begin(1, job.answer_limit);
    if (!database_) {
        job.answer.fail({FailureClass::unreachable, not_open_});
        return;
    }
    const auto& statement = *job.statement;
    const sql::KeyParts parts(job.key);
    if (statement.analysis.bound) {
        run_bound(job, parts);
        return;
    }
    run_text(job, expanded(statement, parts));
    // A temporary table, an attached file or a PRAGMA would stay in the handle, for other tables, too.
    if (statement.analysis.may_write && !job.prepare_only) {
        close();
        open();
    }
}

void Handle::run_bound(Job& job, const sql::KeyParts& parts) {
    auto* const kept = prepared(job);
    if (kept == nullptr) return;
    if (job.prepare_only) {
        try_without_run(kept, job.answer);
        return;
    }
    const auto& parameters = job.statement->analysis.bound->parameters;
    values_.resize(parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        sql::write_parameter_value(parameters[i], parts, values_[i]);
        sqlite3_bind_text64(kept, static_cast<int>(i + 1), values_[i].data(), values_[i].size(),
                            SQLITE_STATIC, SQLITE_UTF8);
    }
    share_state(kept);
    step(kept, job.answer);
    sqlite3_reset(kept);
    sqlite3_clear_bindings(kept);
}

void Handle::run_text(Job& job, const std::string& text) {
    const auto handle = prepare(text, job.answer);
    if (!handle) return;
    if (job.prepare_only) {
        try_without_run(handle.get(), job.answer);
        return;
    }
    share_state(handle.get());
    step(handle.get(), job.answer);
}

void Handle::open() {
    const auto now = table::stamp_of(path_);
    // A file that is overwritten in place has the same inode, and the library may not notice that.
    const bool same = database_ && now.exists && now.device == opened_.device && now.inode == opened_.inode &&
                      now.size == opened_.size && now.modified_ns == opened_.modified_ns;
    if (same) return;
    if (database_ && !now.exists) {
        // The file was deleted to be written anew: the administrator no longer wants the open one.
        not_open_ = fmt::format("database {}: no such file", path_);
        close();
        return;
    }
    close();
    if (const auto kind = strange_kind(path_); !kind.empty()) {
        not_open_ = fmt::format("database {}: is {}, not a regular file", path_, kind);
        return;
    }
    sqlite3* raw = nullptr;
    const int status =
        sqlite3_open_v2(path_.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
    database_.reset(raw);
    if (status != SQLITE_OK) {
        not_open_ = fmt::format("database {}: {}", path_, why_not_open(path_, raw, status));
        close();
        return;
    }
    sqlite3_exec(raw, page_cache, nullptr, nullptr, nullptr);
    sqlite3_busy_handler(raw, &Handle::busy, this);
    sqlite3_progress_handler(raw, steps_between_looks, &Handle::progress, this);
    Answer ignored;  // these texts hold no names of the file
    begin_ = prepare("BEGIN", ignored);
    commit_ = prepare("COMMIT", ignored);
    opened_ = now;
}

void Handle::close() {
    prepared_.clear();
    begin_.reset();
    commit_.reset();
    database_.reset();
}

Handle::StatementHandle Handle::prepare(const std::string& text, Answer& answer) {
    sqlite3_stmt* raw = nullptr;
    const int status = sqlite3_prepare_v2(database_.get(), text.c_str(), -1, &raw, nullptr);
    StatementHandle handle(raw);
    if (status != SQLITE_OK) {
        fail(answer, message());
        return nullptr;
    }
    if (!handle) fail(answer, fmt::format("database {}: the query holds no statement", path_));
    return handle;
}

sqlite3_stmt* Handle::prepared(Job& job) {
    const auto& statement = job.statement;
    if (const auto found = prepared_.find(statement); found != prepared_.end()) return found->second.get();
    // Statements of changed or removed tables are not used again.
    std::erase_if(prepared_, [](const auto& item) { return item.first.expired(); });
    if (prepared_.size() > most_statements) prepared_.clear();
    auto fresh = prepare(statement->analysis.bound->text, job.answer);
    if (!fresh) return nullptr;
    return prepared_.emplace(statement, std::move(fresh)).first->second.get();
}

// The caller resets the statement, wherever it stopped.
void Handle::step(sqlite3_stmt* statement, Answer& answer) const {
    for (;;) {
        const int status = sqlite3_step(statement);
        if (status == SQLITE_DONE) return;
        if (status != SQLITE_ROW) {
            fail(answer, message());
            return;
        }
        if (sqlite3_column_count(statement) == 0) continue;
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
        // Up to the first NUL, as with the stock server.
        const auto value = text == nullptr ? std::nullopt : std::optional<std::string_view>(text);
        if (!answer.rows.add(value)) {
            answer.fail(pool::too_large());
            return;
        }
    }
}

void Handle::fail(Answer& answer, std::string message) const {
    answer.fail({class_of(sqlite3_extended_errcode(database_.get())), std::move(message)});
}

std::string Handle::message() const {
    const int code = sqlite3_errcode(database_.get());
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        return fmt::format("database {}: still locked at the deadline", path_);
    }
    if (code == SQLITE_INTERRUPT)
        return fmt::format("database {}: the query was not done by the deadline", path_);
    auto text = fmt::format("database {}: {}", path_, sqlite3_errmsg(database_.get()));
    const int extended = sqlite3_extended_errcode(database_.get());
    if (extended == SQLITE_READONLY_DIRECTORY) text += advice_for_wal(path_);
    if (extended == SQLITE_READONLY_ROLLBACK) text += advice_for_journal(path_);
    return text;
}

int Handle::busy(void* self, int tries) {
    auto& handle = *static_cast<Handle*>(self);
    handle.locked_out_ = handle.was_locked_out_ = true;
    handle.before_long_();
    const auto left = handle.deadline_.left(Clock::now());
    if (left == Duration::zero() || handle.stopped_) return 0;
    const Duration nap = std::min<Duration>(longest_nap, std::chrono::milliseconds(1 + tries));
    std::this_thread::sleep_for(std::min(nap, left));
    return 1;
}

int Handle::progress(void* self) {
    auto& handle = *static_cast<Handle*>(self);
    handle.locked_out_ = false;
    handle.before_long_();
    return handle.stopped_ || handle.deadline_.passed(Clock::now()) ? 1 : 0;
}

}  // namespace proxyd::sqlite
