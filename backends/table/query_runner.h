// The interface of a database type: tables that can be asked.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/event/clock.h"
#include "backends/pool/pool.h"
#include "backends/pool/query.h"
#include "backends/table/query_trial.h"
#include "backends/table/settings.h"
#include "backends/table/sql_definition.h"

namespace proxyd::table {

// Asks the database of one table.
class QueryRunner {
  public:
    virtual ~QueryRunner() = default;

    // Calls back exactly once, at the deadline at the latest, possibly before run() returns. The key suits
    // the templates.
    virtual void run(std::shared_ptr<const sql::Key> key, Deadline deadline,
                     pool::OutcomeCallback&& callback) = 0;

    // Connects, and has the database check the query without running it. Calls back as run() does. For
    // proxyctl check.
    virtual void prepare_only(Deadline deadline, TrialCallback callback) = 0;
};

// One database, shared by all tables that use it.
struct DatabaseReport {
    std::string name;           // for people
    std::size_t pool_size = 0;  // 0: no connections, as the database is a file
    pool::PoolStats stats;
    std::vector<pool::Host> hosts;
};

// One database type ("pgsql", "sqlite" ...).
class TableBackend {
  public:
    virtual ~TableBackend() = default;

    [[nodiscard]] virtual sql::SqlDialect dialect() const = 0;

    // The parameters of this type alone, beside those of all SQL types.
    [[nodiscard]] virtual std::vector<std::string_view> parameter_names() const = 0;

    // The parameter that names the database's file. Empty: the database is a server.
    [[nodiscard]] virtual std::string_view file_parameter() const { return {}; }

    // Whether the text of a query may contain more than one statement.
    [[nodiscard]] virtual bool takes_several_statements() const { return true; }

    // A runner for a table. Null when its parameters are wrong; the errors are then in the parameters. Never
    // waits for the database.
    [[nodiscard]] virtual std::unique_ptr<QueryRunner> make_runner(const std::string& table_name,
                                                                   TableParameters& parameters,
                                                                   const SqlDefinition& definition,
                                                                   const TableSettings& settings) = 0;

    // The databases in use now.
    [[nodiscard]] virtual std::vector<DatabaseReport> databases() const { return {}; }

    // The process is about to end: idle connections are closed, busy ones when they become idle.
    virtual void wind_down() {}
};

}  // namespace proxyd::table
