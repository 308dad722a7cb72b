// A lookup's query to a database, and the answer.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <variant>

#include "backends/event/callback.h"
#include "backends/pool/failure.h"
#include "backends/sql/template.h"

namespace proxyd::pool {

// The statement of one version of one table, in the driver's own form. All queries of the table share it.
class Statement {
  public:
    virtual ~Statement() = default;

    // Whether it must be alone on its connection: it is not pipelined with other queries.
    [[nodiscard]] virtual bool exclusive() const = 0;

    // Whether it only reads: it may then be asked again when its answer was lost, and one answer may serve
    // all lookups with the same coalescing key.
    [[nodiscard]] virtual bool repeatable() const = 0;

    // Whether it may leave a setting or a transaction behind: its connection is reset before the next query.
    // Such a statement is exclusive.
    [[nodiscard]] virtual bool leaves_state() const { return !repeatable(); }
};

inline constexpr std::size_t no_answer_limit = std::numeric_limits<std::size_t>::max();

struct Query {
    std::shared_ptr<const Statement> statement;
    std::shared_ptr<const sql::Key> key;
    std::string coalescing_text{};               // empty: the key
    bool may_batch = false;                      // its answer may wait for the next few queries of its batch
    std::size_t answer_limit = no_answer_limit;  // of answer_size(), in bytes; the driver enforces it

    // Queries of one statement with equal coalescing keys are the same query.
    [[nodiscard]] std::string_view coalescing_key() const {
        return coalescing_text.empty() ? std::string_view(key->text()) : coalescing_text;
    }
};

// The query's statement as its driver made it. Throws std::logic_error for a statement of another driver.
template <class DriverStatement>
[[nodiscard]] std::shared_ptr<const DriverStatement> statement_of(const Query& query) {
    static_assert(std::is_final_v<DriverStatement>);
    const Statement& statement = *query.statement;
    if (typeid(statement) != typeid(DriverStatement)) throw std::logic_error("a statement of another driver");
    return std::static_pointer_cast<const DriverStatement>(query.statement);
}

// The size of an answer as it counts against the limit: the bytes of all values, and a little for each value
// and each row, as empty ones take memory, too.
[[nodiscard]] constexpr std::size_t answer_size(std::size_t rows, std::size_t values, std::size_t bytes) {
    return 16 * (rows + values) + bytes;
}

// The rows of one answer, readable only while the callback that received them runs.
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

using OutcomeCallback = Callback<void(const Outcome&)>;

}  // namespace proxyd::pool
