// The `sqlite:` table type (sqlite_table(5)).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/event/loop.h"
#include "backends/sqlite/database.h"
#include "backends/table/query_runner.h"

namespace proxyd::sqlite {

class TableBackend final : public table::TableBackend {
  public:
    // The loop outlives the backend. Lookups under way at the end of the backend keep their runners, whose
    // databases are stopped then.
    explicit TableBackend(Loop& loop);
    ~TableBackend() override;
    TableBackend(const TableBackend&) = delete;
    TableBackend& operator=(const TableBackend&) = delete;

    [[nodiscard]] sql::SqlDialect dialect() const override { return sql::SqlDialect::sqlite; }
    [[nodiscard]] std::vector<std::string_view> parameter_names() const override { return {"dbpath"}; }
    [[nodiscard]] std::string_view file_parameter() const override { return "dbpath"; }
    [[nodiscard]] std::unique_ptr<table::QueryRunner> make_runner(
        const std::string& table_name, table::TableParameters& parameters,
        const table::SqlDefinition& definition, const table::TableSettings& settings) override;
    [[nodiscard]] std::vector<table::DatabaseReport> databases() const override;

  private:
    Loop& loop_;
    std::shared_ptr<OpenFiles> files_ = std::make_shared<OpenFiles>();
    std::map<std::string, std::weak_ptr<Database>> databases_;
};

}  // namespace proxyd::sqlite
