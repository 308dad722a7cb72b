#include "backends/pgsql/table_backend.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/cluster/driver.h"
#include "backends/cluster/host_name.h"
#include "backends/config/list.h"
#include "backends/pgsql/connection.h"
#include "backends/pgsql/context.h"
#include "backends/pgsql/statement.h"
#include "backends/report/redact.h"
#include "backends/report/secrets.h"

namespace proxyd::pgsql {
namespace {

using Driver = proxyd::cluster::Driver<Context, Connection>;
using pool::OutcomeCallback;

// The parameter values of a bound statement that takes parts of the key alone, joined so that different lists
// never look the same. "": the key decides.
std::string identity_of(const sql::SqlAnalysis& analysis, const sql::KeyParts& key) {
    std::string identity;
    if (!analysis.bound || sql::binds_whole_key(*analysis.bound)) return identity;
    for (const auto& parameter : analysis.bound->parameters) {
        identity += sql::parameter_value(parameter, key);
        identity += '\0';
    }
    return identity;
}

// Whether a literal may be one of the words that PostgreSQL turns into a point in time when it parses them.
bool names_a_moment(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (const char* word : {"now", "today", "tomorrow", "yesterday"}) {
        for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
            const auto before = text.find_last_not_of(" \t\r\n", at == 0 ? std::string::npos : at - 1);
            if (at > 0 && before != std::string::npos && text[before] == '\'') return true;
        }
    }
    return false;
}

// Whether the host would be right with a plain database name.
bool is_about_dbname(ClusterIdentity cluster, const std::string& host) {
    std::string ignored;
    cluster.dbname = "d";
    return !is_uri(host) && !endpoints(cluster, host, ignored).empty();
}

// One message, so that behind a pooler one server gets all of it and keeps nothing of it. The names differ
// because a pooler's connection may keep a failed statement.
std::string prepared_once(const std::string& query, bool plan, std::size_t parameters) {
    static int count = 0;
    const auto name = fmt::format("proxyd_check_{}_{}", getpid(), ++count);
    const std::vector<std::string_view> nulls(parameters, "NULL");
    const auto arguments = nulls.empty() ? "" : fmt::format("({})", fmt::join(nulls, ", "));
    return fmt::format("PREPARE {0} AS {1}\n;{2} DEALLOCATE {0}", name, query,
                       plan ? fmt::format(" EXPLAIN EXECUTE {}{};", name, arguments) : "");
}

class Runner final : public table::QueryRunner {
  public:
    Runner(std::shared_ptr<proxyd::cluster::SharedPool> shared, const std::string& table_name,
           const table::SqlDefinition& definition, const table::TableSettings& settings)
        : analysis_(definition.analysis),
          statement_(std::make_shared<Statement>(definition.query, definition.analysis,
                                                 settings.prepared_statements)),
          share_(std::move(shared), settings, table_name) {}

    void run(std::shared_ptr<const sql::Key> key, Deadline deadline, OutcomeCallback&& callback) override {
        auto identity = identity_of(analysis_, key->parts());
        share_.submit({statement_, std::move(key), std::move(identity)}, deadline, std::move(callback));
    }

    // Parsing runs nothing. Planning may run functions, but the server's own functions only compute; planning
    // also finds missing rights. NULL as a parameter fits every type.
    void prepare_only(Deadline deadline, table::TrialCallback callback) override {
        auto plan = table::plan_trial(statement_->query(), analysis_);
        const bool plans = !analysis_.may_write && !analysis_.calls_functions;
        const auto in_form = [&](const std::string& text) {
            if (plans && plan.texts.size() > 1) return "EXPLAIN " + text;
            const auto parameters = plan.texts.size() > 1 ? 0
                                    : analysis_.bound     ? analysis_.bound->parameters.size()
                                                          : 0;
            return prepared_once(text, plans, parameters);
        };
        for (auto& text : plan.texts) text = in_form(text);
        plan.control = prepared_once(plan.control, false, 0);
        const auto ask = [this, deadline](const std::string& text, OutcomeCallback told) {
            sql::Template query{text, {{text, std::nullopt, 0}}};
            sql::SqlAnalysis analysis;
            analysis.several_statements = text.starts_with("PREPARE ");
            share_.submit({std::make_shared<Statement>(std::move(query), std::move(analysis), false),
                           sql::make_key("check"), text},
                          deadline, std::move(told));
        };
        table::try_query(std::move(plan), ask, std::move(callback));
    }

  private:
    const sql::SqlAnalysis analysis_;
    std::shared_ptr<const Statement> statement_;
    proxyd::cluster::SharedPool::Share share_;
};

}  // namespace

std::vector<std::string_view> TableBackend::parameter_names() const {
    return {"hosts",    "user",           "password",      "dbname",
            "encoding", "retry_interval", "idle_interval", "select_function"};
}

ClusterIdentity read_cluster(table::TableParameters& parameters) {
    ClusterIdentity cluster;
    cluster.hosts = config::split_list(parameters.text("hosts", "localhost"));
    cluster.user = parameters.text("user", "");
    cluster.password = parameters.text("password", "");
    cluster.dbname = parameters.text("dbname", "");
    cluster.encoding = parameters.required("encoding", "UTF8");
    if (cluster.hosts.empty()) cluster.hosts.emplace_back("localhost");
    const bool all_uris = std::all_of(cluster.hosts.begin(), cluster.hosts.end(), is_uri);
    if (cluster.dbname.empty() && !all_uris) {
        parameters.error("dbname",
                         "dbname is missing: give the name of the database (only when all hosts are "
                         "postgresql:// URIs may it be left out)");
    }
    for (const auto& host : cluster.hosts) {
        std::string error;
        if (!endpoints(cluster, host, error).empty() || !is_about_dbname(cluster, host)) continue;
        parameters.error("dbname", fmt::format("dbname: {}", error));
        return cluster;
    }
    const auto fault = [&cluster](const std::string& host) -> std::optional<std::string> {
        std::string error;
        if (!endpoints(cluster, host, error).empty()) return std::nullopt;
        return fmt::format("host {}: {}", redact_host_and_port(host), error);
    };
    proxyd::cluster::drop_useless_hosts(cluster.hosts, parameters, fault);
    return cluster;
}

std::unique_ptr<table::QueryRunner> TableBackend::make_runner(const std::string& table_name,
                                                              table::TableParameters& parameters,
                                                              const table::SqlDefinition& definition,
                                                              const table::TableSettings& settings) {
    const auto cluster = read_cluster(parameters);
    (void)parameters.integer("retry_interval", 60, 1);
    if (!parameters.errors().empty()) return nullptr;
    const auto name = cluster.dbname.empty() || cluster.dbname.find_first_of("=:") != std::string::npos
                          ? std::string("pgsql")
                          : "pgsql database " + cluster::shown_dbname(cluster.dbname);
    auto pool = pool_of<Driver>(cluster, settings, name, host_info);
    auto careful = definition;
    if (names_a_moment(careful.query.source)) {
        // A prepared statement would keep the moment of its preparation.
        careful.analysis.bound.reset();
        careful.analysis.why_not = "'now' and its like are read when the query is parsed";
    }
    return std::make_unique<Runner>(std::move(pool), table_name, careful, settings);
}

}  // namespace proxyd::pgsql
