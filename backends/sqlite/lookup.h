// One lookup in an SQLite file on its way: the part that its thread works on, and the part that waits for it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/event/clock.h"
#include "backends/pool/query.h"
#include "backends/sqlite/statement.h"

namespace proxyd::sqlite {

class TableQueue;

// The values of one answer, as they came from the file. SQLite tables answer with the first column only.
struct Answer {
    std::vector<std::optional<std::string>> values;
    bool failed = false;
    pool::Failure failure;
};

// What a thread works on.
struct Job {
    std::shared_ptr<const Statement> statement;
    std::string key;
    Deadline deadline;
    bool prepare_only = false;
    std::size_t answer_limit = pool::no_answer_limit;
    Answer answer{};
    Duration took{};
    bool locked_out = false;  // another process held a lock of the file meanwhile
};

// Who waits for it; of the loop alone.
struct Asked {
    std::shared_ptr<TableQueue> queue;
    Deadline deadline;
    pool::OutcomeCallback callback;  // empty once answered
    bool apart = false;              // counted in the queue's running
    bool overdue = false;            // and in its overdue
};

struct Lookup {
    Job job;
    Asked asked;
};

}  // namespace proxyd::sqlite
