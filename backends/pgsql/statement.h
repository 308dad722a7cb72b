// A table's query in the forms that PostgreSQL accepts.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "backends/event/clock.h"
#include "backends/pgsql/shape.h"
#include "backends/pool/query.h"
#include "backends/sql/analysis.h"
#include "backends/sql/template.h"

namespace proxyd::pgsql {

// How the query is sent.
enum class Path {
    prepared,  // prepared once per connection, then bound
    bound,     // parsed each time, parameters bound: for poolers that do not keep prepared statements
    text,      // expanded with quoting, alone on its connection
};

class Statement final : public pool::Statement {
  public:
    // `prepare` false: never Path::prepared.
    Statement(sql::Template query, sql::SqlAnalysis analysis, bool prepare);

    [[nodiscard]] bool exclusive() const override { return path_ == Path::text; }
    [[nodiscard]] bool repeatable() const override { return !analysis_.may_write; }

    [[nodiscard]] bool leaves_state() const override { return analysis_.leaves_state; }

    // If false, the server must refuse a second statement that a key may add where it is not quoted.
    [[nodiscard]] bool several_statements() const { return analysis_.several_statements; }

    [[nodiscard]] Path path() const { return path_; }
    [[nodiscard]] const sql::Template& query() const { return query_; }
    // Only when the path is not text.
    [[nodiscard]] const sql::BoundStatement& bound() const { return *analysis_.bound; }
    // The statement's name on the server. It is made from the text, so a name never stands for another text,
    // even where a pooler gives one server connection to several clients.
    [[nodiscard]] const std::string& server_name() const { return server_name_; }

    // Knowledge from the servers. A statement that could not be prepared is tried as text. If that works, it
    // stays text; if it fails, too, the query itself was wrong and nothing was learned.
    void try_as_text() const { path_ = Path::text; }
    void text_worked() const { text_for_good_ = true; }
    void text_failed() const {
        if (!text_for_good_) path_ = first_choice_;
    }
    void needs_text() const {
        path_ = Path::text;
        text_for_good_ = true;
    }

    // The columns of its answers, as a server described them last.
    [[nodiscard]] const Shape& shape() const { return shape_; }
    void described(const Shape& shape) const { shape_ = shape; }

    // A query that fails undoes the other queries of its sync, with their side effects. So a statement shares
    // a sync only if it has no side effects and has not failed within the last minute.
    void failed(TimePoint now) const { failed_at_ = now; }
    [[nodiscard]] bool may_share_sync(TimePoint now) const {
        return repeatable() && !analysis_.calls_functions &&
               (failed_at_ == TimePoint{} || now - failed_at_ > std::chrono::minutes(1));
    }

  private:
    sql::Template query_;
    sql::SqlAnalysis analysis_;
    std::string server_name_;
    Path first_choice_ = Path::text;
    mutable Path path_ = Path::text;
    mutable bool text_for_good_ = false;
    mutable TimePoint failed_at_{};
    mutable Shape shape_;
};

}  // namespace proxyd::pgsql
