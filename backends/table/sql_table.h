// One version of one SQL table: from key to answer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backends/event/clock.h"
#include "backends/event/loop.h"
#include "backends/table/answer_cache.h"
#include "backends/table/lookup.h"
#include "backends/table/query_runner.h"
#include "backends/table/recent_causes.h"
#include "backends/table/sql_definition.h"

namespace proxyd::table {

class SqlTable : public std::enable_shared_from_this<SqlTable> {
  public:
    SqlTable(Loop& loop, std::string name, SqlDefinition definition, TableSettings settings,
             std::unique_ptr<QueryRunner> runner, NestedLookup nested, RoomForAnswer has_room);

    // Calls back exactly once, at the deadline at the latest, possibly before lookup() returns.
    void lookup(std::string_view key, KeyRules rules, Deadline deadline, LookupCallback&& callback) const;

    // The counts of the answer cache; no value for a table without one.
    [[nodiscard]] std::optional<CacheStats> cache_stats() const;

    // Forgets all answers, or those of a key in any folding. Returns the number of forgotten answers.
    std::size_t flush(std::optional<std::string_view> key) const;

    [[nodiscard]] const TableSettings& settings() const { return settings_; }
    [[nodiscard]] QueryRunner& runner() const { return *runner_; }
    [[nodiscard]] const SqlDefinition& definition() const { return definition_; }

  private:
    struct Job;
    void filter(const std::shared_ptr<Job>& job) const;
    void decide(const std::shared_ptr<Job>& job, const DomainMatch& match) const;
    void ask(const std::shared_ptr<Job>& job) const;
    void collect(Job& job, const pool::Outcome& outcome) const;
    void too_large(Job& job) const;
    void fail(Job& job, const pool::Failure& failure) const;
    void deliver(Job& job, std::string value) const;

    Loop& loop_;
    std::string name_;
    std::string topic_;  // for repeated log lines
    SqlDefinition definition_;
    TableSettings settings_;
    std::unique_ptr<QueryRunner> runner_;
    NestedLookup nested_;
    RoomForAnswer has_room_;              // for long answers
    std::unique_ptr<AnswerCache> cache_;  // null: no answer is kept
    mutable RecentCauses causes_;         // of failed lookups
};

}  // namespace proxyd::table
