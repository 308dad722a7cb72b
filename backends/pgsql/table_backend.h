// The `pgsql:` table type (pgsql_table(5)).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cluster/pool_directory.h"
#include "backends/event/resolver.h"
#include "backends/pgsql/cluster.h"
#include "backends/table/query_runner.h"

namespace proxyd::pgsql {

class TableBackend final : public table::TableBackend {
  public:
    // The loop and the resolver outlive the backend and its runners.
    TableBackend(Loop& loop, Resolver& resolver) : loop_(loop), resolver_(resolver), pools_(loop) {}

    [[nodiscard]] table::SqlDialect dialect() const override { return table::SqlDialect::pgsql; }
    [[nodiscard]] std::vector<std::string_view> parameter_names() const override;
    [[nodiscard]] std::unique_ptr<table::QueryRunner> make_runner(
        const std::string& table_name, table::TableParameters& parameters,
        const table::SqlDefinition& definition, const table::TableSettings& settings) override;

    [[nodiscard]] std::vector<table::DatabaseReport> databases() const override { return pools_.databases(); }
    void wind_down() override { pools_.wind_down(); }

  private:
    Loop& loop_;
    Resolver& resolver_;
    table::PoolDirectory<ClusterIdentity> pools_;
};

// The cluster that a table's parameters name; mistakes become errors of the parameters.
[[nodiscard]] ClusterIdentity read_cluster(table::TableParameters& parameters);

}  // namespace proxyd::pgsql
