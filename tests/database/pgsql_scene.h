// A database of its own on the private PostgreSQL server, and a session of its administrator.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/wait.h>

#include "backends/pgsql/table_backend.h"
#include "tests/database/database_scene.h"

namespace proxyd {

class PgsqlEngine final : public Engine {
  public:
    PgsqlEngine()
        : Engine({"pgsql", "PROXYD_TEST_PG_PORT", "PROXYD_TEST_PG_CTL", "pg_sleep"}, {"postgres", {}},
                 std::chrono::seconds(6)) {}

    // The text may have several statements: the cell is of the last answer.
    std::string sql(const std::string& text, const std::string& dbname = "") const override {
        const auto conninfo = fmt::format("host={} port={} user=postgres dbname={}", socket_directory, port,
                                          dbname.empty() ? "postgres" : dbname);
        PGconn* connection = PQconnectdb(conninfo.c_str());
        PGresult* result = PQexec(connection, text.c_str());
        const auto status = PQresultStatus(result);
        EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
            << text << ": " << PQerrorMessage(connection);
        const std::string cell = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
        PQclear(result);
        PQfinish(connection);
        return cell;
    }
    void create(const std::string& dbname) const override {
        sql("CREATE DATABASE " + dbname);
        sql("CREATE TABLE alias (address text PRIMARY KEY, target text, number int);"
            "INSERT INTO alias VALUES ('alice@example.com', 'alice1@dest.example', 1),"
            " ('o''brien@example.com', 'obrien', 2), ('back\\slash@example.com', 'slashed', 3),"
            " ('umlaut@example.com', U&'\\00FCn\\00EF', 4), ('null@example.com', NULL, 5),"
            " ('per%cent@example.com', 'percent', 6)",
            dbname);
    }
    void drop(const std::string&) const override {}
    [[nodiscard]] std::unique_ptr<table::TableBackend> backend(Loop& loop,
                                                               Resolver& resolver) const override {
        return std::make_unique<pgsql::TableBackend>(loop, resolver);
    }

    [[nodiscard]] int connections(const std::string& dbname) const override {
        return std::stoi(sql("SELECT count(*)" + of_proxyd(dbname)));
    }
    [[nodiscard]] int queries(const std::string& dbname) const override {
        return std::stoi(sql("SELECT count(*)" + of_proxyd(dbname) + " AND state = 'active'"));
    }
    void cut_connections(const std::string& dbname) const override {
        sql("SELECT count(pg_terminate_backend(pid))" + of_proxyd(dbname));
    }

    void create_account(const Account& one, std::optional<int> connections = {}) const override {
        sql(
            fmt::format("DROP ROLE IF EXISTS {0}; CREATE ROLE {0} LOGIN PASSWORD '{1}' CONNECTION LIMIT {2};"
                        "GRANT pg_read_all_data TO {0}",
                        one.user, one.password.value_or(""), connections.value_or(-1)));
    }
    void change_password(const Account& one) const override {
        sql(fmt::format("ALTER ROLE {} PASSWORD '{}'", one.user, one.password.value_or("")));
    }
    void ask_for_password(const std::string& user, bool ask) const override {
        const auto rule = fmt::format("host all {} 127.0.0.1/32 scram-sha-256\n", user);
        const auto file = data + "/pg_hba.conf";
        std::ifstream in(file);
        std::string rules(std::istreambuf_iterator<char>(in), {});
        in.close();
        if (ask) {
            rules.insert(0, rule);
        } else if (rules.starts_with(rule)) {
            rules.erase(0, rule.size());
        }
        std::ofstream(file) << rules;
        sql("SELECT pg_reload_conf()");
    }

    const std::string socket_directory = environment("PROXYD_TEST_PG_SOCKET_DIR");
    const std::string data = environment("PROXYD_TEST_PG_DATA");

  private:
    static std::string of_proxyd(const std::string& dbname) {
        return fmt::format(" FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'proxyd'",
                           dbname);
    }
};

inline const PgsqlEngine pgsql_engine;

class PgsqlScene : public DatabaseScene {
  protected:
    PgsqlScene() : DatabaseScene(pgsql_engine) {}

    const PgsqlEngine& admin = pgsql_engine;
};

}  // namespace proxyd
