// A table's query for MySQL and MariaDB: expanded with the connection's quoting, one round trip.
#pragma once

#include "backends/pool/query.h"
#include "backends/sql/analysis.h"
#include "backends/sql/template.h"

namespace proxyd::mysql {

class Statement final : public pool::Statement {
  public:
    Statement(sql::Template query, const sql::SqlAnalysis& analysis, bool require_result_set)
        : query_(std::move(query)),
          repeatable_(!analysis.may_write),
          leaves_state_(analysis.leaves_state),
          require_result_set_(require_result_set) {}

    // A query that only reads gives one result set; any other may give several, or do anything.
    [[nodiscard]] bool exclusive() const override { return !repeatable_ || leaves_state_; }
    [[nodiscard]] bool repeatable() const override { return repeatable_; }
    [[nodiscard]] bool leaves_state() const override { return leaves_state_; }

    [[nodiscard]] const sql::Template& query() const { return query_; }
    // Whether a query that gives no result set (not: no rows) is an error.
    [[nodiscard]] bool require_result_set() const { return require_result_set_; }

  private:
    sql::Template query_;
    bool repeatable_;
    bool leaves_state_;
    bool require_result_set_;
};

}  // namespace proxyd::mysql
