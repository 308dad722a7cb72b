// A database of its own on the private PostgreSQL server, and a session of its administrator.
#pragma once

#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/wait.h>

#include "backends/pgsql/table_backend.h"
#include "tests/database/table_scene.h"

namespace proxyd {

inline std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

class Administrator {
  public:
    // Runs the statements; returns the first cell of the last answer.
    std::string sql(const std::string& text, const std::string& dbname = "postgres") const {
        const auto conninfo =
            fmt::format("host={} port={} user=postgres dbname={}", socket_directory, port, dbname);
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
    static void server(const std::string& command) {
        ASSERT_EQ(std::system((from_environment("PROXYD_TEST_PG_CTL") + " " + command).c_str()), 0);
    }

    const std::string port = from_environment("PROXYD_TEST_PG_PORT");
    const std::string socket_directory = from_environment("PROXYD_TEST_PG_SOCKET_DIR");
    const std::string data = from_environment("PROXYD_TEST_PG_DATA");
};

class PgsqlScene : public TableScene {
  protected:
    void SetUp() override {
        if (admin.port.empty()) GTEST_SKIP() << "run it with tests/harness/run_with_postgres.py";
        static int count = 0;
        dbname = fmt::format("maps{}_{}", getpid(), ++count);
        admin.sql("CREATE DATABASE " + dbname);
        admin.sql(
            "CREATE TABLE alias (address text PRIMARY KEY, target text, number int);"
            "INSERT INTO alias VALUES ('alice@example.com', 'alice1@dest.example', 1),"
            " ('o''brien@example.com', 'obrien', 2), ('back\\slash@example.com', 'slashed', 3),"
            " ('umlaut@example.com', U&'\\00FCn\\00EF', 4), ('null@example.com', NULL, 5),"
            " ('per%cent@example.com', 'percent', 6)",
            dbname);
        tables->add_backend("pgsql", std::make_unique<pgsql::TableBackend>(loop, resolver));
    }
    void TearDown() override { EXPECT_LE(most_connections_, settings.pool_size); }

    // A table file; `rest` in addition to hosts, user and dbname.
    std::string table(const std::string& rest, const std::string& name = "t.cf") {
        return "pgsql:" + write(name, fmt::format("hosts = {}\nuser = postgres\ndbname = {}\n{}\n", host(),
                                                  dbname, rest));
    }
    [[nodiscard]] std::string host() const { return "127.0.0.1:" + admin.port; }

    // Connections of proxyd to the test's database, as the server sees them.
    int connections() {
        const auto count = std::stoi(admin.sql(fmt::format(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'proxyd'",
            dbname)));
        most_connections_ = std::max(most_connections_, count);
        return count;
    }
    void cut_connections() {
        admin.sql(fmt::format(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}' AND "
            "application_name = 'proxyd'",
            dbname));
    }

    Administrator admin;
    std::string dbname;

  private:
    int most_connections_ = 0;
};

inline const char* const by_address = "query = SELECT target FROM alias WHERE address = '%s'";

}  // namespace proxyd
