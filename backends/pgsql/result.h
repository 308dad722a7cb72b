// Reads the results of libpq.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <libpq-fe.h>

#include "backends/pool/query.h"

namespace proxyd::pgsql {

// The rows of a result; the result outlives them.
class ResultRows final : public pool::Rows {
  public:
    explicit ResultRows(const PGresult* result) : result_(result) {}

    [[nodiscard]] std::size_t rows() const override { return static_cast<std::size_t>(PQntuples(result_)); }
    [[nodiscard]] std::size_t columns() const override {
        return static_cast<std::size_t>(PQnfields(result_));
    }

    // PostgreSQL tables read NULL as the empty string.
    [[nodiscard]] std::optional<std::string_view> cell(std::size_t row, std::size_t column) const override {
        const auto r = static_cast<int>(row);
        const auto c = static_cast<int>(column);
        return std::string_view(PQgetvalue(result_, r, c),
                                static_cast<std::size_t>(PQgetlength(result_, r, c)));
    }

  private:
    const PGresult* result_;
};

// A field of an error (PG_DIAG_...); "" when it has none.
[[nodiscard]] std::string field(const PGresult* result, int code);

// Joins the lines of a library message, which ends with a line feed and may have several lines.
[[nodiscard]] std::string one_line(std::string text);

}  // namespace proxyd::pgsql
