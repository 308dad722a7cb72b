// The `pgsql:` table type (pgsql_table(5)).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cluster/pooled_backend.h"
#include "backends/event/resolver.h"
#include "backends/pgsql/cluster.h"
#include "backends/table/query_runner.h"

namespace proxyd::pgsql {

class TableBackend final : public proxyd::cluster::PooledBackend<ClusterIdentity> {
  public:
    // The loop and the resolver outlive the backend and its runners.
    TableBackend(Loop& loop, Resolver& resolver) : PooledBackend(loop, resolver) {}

    [[nodiscard]] sql::SqlDialect dialect() const override { return sql::SqlDialect::pgsql; }
    [[nodiscard]] std::vector<std::string_view> parameter_names() const override;
    [[nodiscard]] std::unique_ptr<table::QueryRunner> make_runner(
        const std::string& table_name, table::TableParameters& parameters,
        const table::SqlDefinition& definition, const table::TableSettings& settings) override;
};

// The cluster that a table's parameters name; mistakes become errors of the parameters.
[[nodiscard]] ClusterIdentity read_cluster(table::TableParameters& parameters);

}  // namespace proxyd::pgsql
