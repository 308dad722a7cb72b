#include "backends/sqlite/table_backend.h"

#include <utility>

#include <sqlite3.h>

namespace proxyd::sqlite {
namespace {

class Runner final : public table::QueryRunner {
  public:
    Runner(std::shared_ptr<Database> database, std::shared_ptr<const Statement> statement, Limits limits)
        : database_(std::move(database)),
          statement_(std::move(statement)),
          queue_(database_->make_queue(limits)) {}

    void run(std::shared_ptr<const sql::Key> key, Deadline deadline,
             pool::OutcomeCallback&& callback) override {
        database_->run(queue_, {statement_, key->text(), deadline}, std::move(callback));
    }

    // With an unquoted key, a made-up key may itself be a syntax error, so such queries are not tried.
    void prepare_only(Deadline deadline, table::TrialCallback callback) override {
        auto statement = statement_;
        const bool tried = statement->analysis.unquoted.empty();
        if (!tried) {
            std::string error;
            auto query = *sql::parse_template("SELECT 1 FROM sqlite_master", error);
            auto analysis = sql::analyse(query, sql::SqlDialect::sqlite);
            statement = std::make_shared<const Statement>(Statement{std::move(query), std::move(analysis)});
        }
        const auto told = [tried, callback = std::move(callback)](const pool::Outcome& outcome) {
            if (!outcome.ok()) return callback({outcome.failure, {}});
            callback({std::nullopt, tried ? "" : "a key stands in it outside quotes"});
        };
        constexpr bool prepare_only = true;
        database_->run(queue_, {statement, "check@proxyd.invalid", deadline, prepare_only}, told);
    }

  private:
    std::shared_ptr<Database> database_;
    std::shared_ptr<const Statement> statement_;
    std::shared_ptr<TableQueue> queue_;
};

}  // namespace

TableBackend::TableBackend(Loop& loop) : loop_(loop) {
    // The library's memory statistics are not used, and cost a lock for each allocation. Once the library is
    // in use it refuses this setting, without harm.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

TableBackend::~TableBackend() {
    for (const auto& [path, known] : databases_) {
        if (const auto database = known.lock()) database->stop();
    }
}

std::unique_ptr<table::QueryRunner> TableBackend::make_runner(const std::string&,
                                                              table::TableParameters& parameters,
                                                              const table::SqlDefinition& definition,
                                                              const table::TableSettings& settings) {
    const auto path = parameters.text("dbpath");
    if (!path) parameters.error("dbpath", "dbpath is missing: give the path of the SQLite database file");
    if (!parameters.errors().empty()) return nullptr;
    auto& known = databases_[*path];
    auto database = known.lock();
    if (!database) {
        database = std::make_shared<Database>(loop_, files_, *path);
        known = database;
        std::erase_if(databases_, [](const auto& item) { return item.second.expired(); });
    }
    auto statement = std::make_shared<const Statement>(Statement{definition.query, definition.analysis});
    const Limits limits{static_cast<std::size_t>(settings.pool_size),
                        static_cast<std::size_t>(settings.queue_limit), settings.idle_interval,
                        settings.answer_size_limit};
    return std::make_unique<Runner>(std::move(database), std::move(statement), limits);
}

std::vector<table::DatabaseReport> TableBackend::databases() const {
    std::vector<table::DatabaseReport> reports;
    for (const auto& [path, known] : databases_) {
        if (const auto database = known.lock()) reports.push_back(database->report());
    }
    return reports;
}

}  // namespace proxyd::sqlite
