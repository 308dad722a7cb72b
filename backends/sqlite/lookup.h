// One lookup in an SQLite file: the part for its thread, and the part for its caller.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "backends/event/clock.h"
#include "backends/pool/query.h"
#include "backends/pool/row_buffer.h"
#include "backends/sqlite/statement.h"

namespace proxyd::sqlite {

class TableQueue;

// The loop and a thread hand over so many lookups, or answers, at a time: then both have work.
inline constexpr std::size_t portion = 32;

// The rows of one answer, with one column, or the reason why there are none.
struct Answer {
    pool::RowBuffer rows;
    bool failed = false;
    pool::Failure failure;

    void fail(pool::Failure why) {
        failed = true;
        failure = std::move(why);
    }
};

// The part of a lookup that a thread works on.
struct Job {
    std::shared_ptr<const Statement> statement;
    std::string key;
    Deadline deadline{};
    bool prepare_only = false;
    std::size_t answer_limit = pool::no_answer_limit;
    Answer answer{};
    Duration took{};
    bool locked_out = false;  // another process held a lock of the file meanwhile
};

// The part of a lookup that waits for the answer; used by the loop alone.
struct Asked {
    std::shared_ptr<TableQueue> queue;
    pool::OutcomeCallback callback;  // empty once answered
    bool apart = false;              // counted in the queue's running
    bool overdue = false;            // and counted in the queue's overdue
};

// The loop and the thread share it. While the thread has the job, the loop reads nothing of it but its
// deadline, which does not change.
struct Lookup {
    Job job;
    Asked asked;
};
using SharedLookup = std::shared_ptr<Lookup>;

}  // namespace proxyd::sqlite
