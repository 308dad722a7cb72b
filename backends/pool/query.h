// What a lookup asks of a database, and what comes back.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "backends/pool/failure.h"

namespace proxyd::pool {

// The statement of one version of one table, in the form its driver wants. Shared by all queries of the
// table.
class Statement {
  public:
    virtual ~Statement() = default;

    // Must be alone on its connection: nothing is sent behind it, and it is not sent behind others.
    [[nodiscard]] virtual bool exclusive() const = 0;

    // Only reads, so it may be asked again when its answer was lost, and one answer may serve all that wait
    // for the same question.
    [[nodiscard]] virtual bool repeatable() const = 0;

    // May leave a setting or a transaction behind: its connection is reset before it serves anybody else.
    // Such a statement is exclusive.
    [[nodiscard]] virtual bool leaves_state() const { return !repeatable(); }
};

inline constexpr std::size_t no_answer_limit = std::numeric_limits<std::size_t>::max();

struct Query {
    std::shared_ptr<const Statement> statement;
    std::string key;             // folded
    std::string coalescing_key;  // equal identities of one statement ask the database for the same thing
    bool may_batch = false;      // its answer, for those of the next few queries that are sent with it
    std::size_t answer_limit = no_answer_limit;  // of what answer_size() counts; the driver looks after it
};

// What counts of an answer: the bytes of all its values, and a little for each value and each row, also for
// empty ones, as these take memory, too.
[[nodiscard]] constexpr std::size_t answer_size(std::size_t rows, std::size_t values, std::size_t bytes) {
    return 16 * (rows + values) + bytes;
}

// The rows of one answer, readable only while the callback that got it runs.
class Rows {
  public:
    virtual ~Rows() = default;
    [[nodiscard]] virtual std::size_t rows() const = 0;
    [[nodiscard]] virtual std::size_t columns() const = 0;
    // No value: NULL.
    [[nodiscard]] virtual std::optional<std::string_view> cell(std::size_t row, std::size_t column) const = 0;
};

// Either rows or the reason why there are none.
struct Outcome {
    const Rows* rows = nullptr;
    Failure failure;

    [[nodiscard]] bool ok() const { return rows != nullptr; }
};

using OutcomeCallback = std::function<void(const Outcome&)>;

}  // namespace proxyd::pool
