#include "backends/mysql/table_backend.h"

#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <mysql.h>

#include "backends/cluster/driver.h"
#include "backends/cluster/host_name.h"
#include "backends/config/list.h"
#include "backends/mysql/connection.h"
#include "backends/mysql/context.h"
#include "backends/mysql/statement.h"
#include "backends/report/secrets.h"

namespace proxyd::mysql {
namespace {

using Driver = proxyd::cluster::Driver<Context, Connection>;
using pool::OutcomeCallback;

// A database may have almost any name, so only a text that is surely a connection string is refused.
bool is_connection_text(const std::string& dbname) {
    for (const std::string_view scheme :
         {"mysql://", "mariadb://", "jdbc:", "postgresql://", "postgres://"}) {
        if (dbname.starts_with(scheme)) return true;
    }
    const auto equals = dbname.find('=');
    if (equals == std::string::npos) return false;
    const auto keyword = config::trim(std::string_view(dbname).substr(0, equals));
    for (const std::string_view known :
         {"dbname", "database", "host", "port", "user", "password", "passwd"}) {
        if (keyword == known) return true;
    }
    return false;
}

class Runner final : public table::QueryRunner {
  public:
    Runner(std::shared_ptr<proxyd::cluster::SharedPool> shared, const std::string& table_name,
           const table::SqlDefinition& definition, bool require_result_set,
           const table::TableSettings& settings)
        : trial_(table::plan_trial(definition.query, definition.analysis)),
          statement_(std::make_shared<Statement>(definition.query, definition.analysis, require_result_set)),
          share_(std::move(shared), settings, table_name) {}

    void run(std::shared_ptr<const sql::Key> key, Deadline deadline, OutcomeCallback&& callback) override {
        share_.submit({statement_, std::move(key)}, deadline, std::move(callback));
    }

    // PREPARE needs only the rights of the query; EXPLAIN needs others.
    void prepare_only(Deadline deadline, table::TrialCallback callback) override {
        auto plan = trial_;
        const auto ask = [this, deadline](const std::string& text, OutcomeCallback told) {
            std::string error;
            const auto query = sql::parse_template("PREPARE proxyd_check FROM '%s'", error);
            share_.submit(
                {std::make_shared<Statement>(*query, sql::SqlAnalysis{}, false), sql::make_key(text)},
                deadline, [told = std::move(told)](const pool::Outcome& outcome) {
                    auto alike = outcome;
                    // The message quotes the text after a mistake.
                    alike.failure.message = table::without_made_up_key(outcome.failure.message);
                    told(alike);
                });
        };
        table::try_query(std::move(plan), ask, std::move(callback));
    }

  private:
    table::TrialPlan trial_;
    std::shared_ptr<const Statement> statement_;
    proxyd::cluster::SharedPool::Share share_;
};

}  // namespace

TableBackend::TableBackend(Loop& loop, Resolver& resolver) : PooledBackend(loop, resolver) {
    if (mysql_library_init(0, nullptr, nullptr) != 0) {
        throw std::runtime_error("cannot initialise the MariaDB client library");
    }
}

std::vector<std::string_view> TableBackend::parameter_names() const {
    return {"hosts",           "user",
            "password",        "dbname",
            "charset",         "option_file",
            "option_group",    "tls_key_file",
            "tls_cert_file",   "tls_CAfile",
            "tls_CApath",      "tls_ciphers",
            "tls_verify_cert", "require_result_set",
            "retry_interval",  "idle_interval"};
}

ClusterIdentity read_cluster(table::TableParameters& parameters) {
    ClusterIdentity cluster;
    cluster.hosts = config::split_list(parameters.text("hosts", "localhost"));
    if (cluster.hosts.empty()) cluster.hosts.emplace_back("localhost");
    proxyd::cluster::drop_useless_hosts(cluster.hosts, parameters, [](const std::string& host) {
        std::string error;
        return parse_host(host, error) ? std::nullopt : std::optional(error);
    });
    cluster.user = parameters.text("user", "");
    cluster.password = parameters.text("password", "");
    cluster.dbname = parameters.text("dbname", "");
    if (cluster.dbname.empty())
        parameters.error("dbname", "dbname is missing: give the name of the database");
    else if (is_connection_text(cluster.dbname))
        parameters.error(
            "dbname",
            "dbname is a URI or connection text, which MySQL does not take: give the name of the "
            "database alone; hosts, user and password have parameters of their own");
    cluster.charset = parameters.required("charset", "utf8mb4");
    cluster.option_file = parameters.text("option_file", "");
    cluster.option_group = parameters.raw("option_group").value_or("client");
    cluster.tls_cert_file = parameters.text("tls_cert_file", "");
    cluster.tls_key_file = parameters.text("tls_key_file", "");
    cluster.tls_ca_file = parameters.text("tls_CAfile", "");
    cluster.tls_ca_path = parameters.text("tls_CApath", "");
    cluster.tls_ciphers = parameters.text("tls_ciphers", "");
    if (parameters.raw("tls_verify_cert"))
        cluster.tls_verify_cert = parameters.boolean("tls_verify_cert", false);
    return cluster;
}

std::unique_ptr<table::QueryRunner> TableBackend::make_runner(const std::string& table_name,
                                                              table::TableParameters& parameters,
                                                              const table::SqlDefinition& definition,
                                                              const table::TableSettings& settings) {
    const auto cluster = read_cluster(parameters);
    const bool require_result_set = parameters.boolean("require_result_set", true);
    (void)parameters.integer("retry_interval", 60, 1);
    if (!parameters.errors().empty()) return nullptr;
    auto pool = pool_of<Driver>(cluster, settings, "mysql database " + cluster::shown_dbname(cluster.dbname),
                                host_info);
    return std::make_unique<Runner>(std::move(pool), table_name, definition, require_result_set, settings);
}

}  // namespace proxyd::mysql
