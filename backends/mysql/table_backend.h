// The `mysql:` table type (mysql_table(5)).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cluster/pooled_backend.h"
#include "backends/event/resolver.h"
#include "backends/mysql/cluster.h"
#include "backends/table/query_runner.h"

namespace proxyd::mysql {

class TableBackend final : public proxyd::cluster::PooledBackend<ClusterIdentity> {
  public:
    // The loop and the resolver outlive the backend and its runners. Throws std::runtime_error when the
    // client library cannot be used.
    TableBackend(Loop& loop, Resolver& resolver);

    [[nodiscard]] sql::SqlDialect dialect() const override { return sql::SqlDialect::mysql; }
    [[nodiscard]] std::vector<std::string_view> parameter_names() const override;
    [[nodiscard]] bool takes_several_statements() const override { return false; }
    [[nodiscard]] std::unique_ptr<table::QueryRunner> make_runner(
        const std::string& table_name, table::TableParameters& parameters,
        const table::SqlDefinition& definition, const table::TableSettings& settings) override;
};

// The cluster that a table's parameters name; mistakes become errors of the parameters.
[[nodiscard]] ClusterIdentity read_cluster(table::TableParameters& parameters);

}  // namespace proxyd::mysql
