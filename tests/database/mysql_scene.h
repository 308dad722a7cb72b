// A database of its own on the private MariaDB server, and a session of its administrator.
#pragma once

#include <string>

#include <fmt/format.h>
#include <mysql.h>

#include "backends/mysql/table_backend.h"
#include "tests/database/database_scene.h"

namespace proxyd {

class MysqlEngine final : public Engine {
  public:
    MysqlEngine()
        : Engine({"mysql", "PROXYD_TEST_MYSQL_PORT", "PROXYD_TEST_MYSQL_CTL", "SLEEP"},
                 {environment("PROXYD_TEST_MYSQL_USER"), environment("PROXYD_TEST_MYSQL_PASSWORD")},
                 std::chrono::seconds(8)) {}

    std::string sql(const std::string& text, const std::string& dbname = "") const override {
        MYSQL* connection = mysql_init(nullptr);
        mysql_options(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
        EXPECT_NE(mysql_real_connect(connection, nullptr, "root", "", dbname.c_str(), 0, socket.c_str(), 0),
                  nullptr)
            << mysql_error(connection);
        EXPECT_EQ(mysql_query(connection, text.c_str()), 0) << text << ": " << mysql_error(connection);
        std::string cell;
        if (MYSQL_RES* result = mysql_store_result(connection); result != nullptr) {
            if (const MYSQL_ROW row = mysql_fetch_row(result); row != nullptr && row[0] != nullptr)
                cell = row[0];
            mysql_free_result(result);
        }
        mysql_close(connection);
        return cell;
    }
    void create(const std::string& dbname) const override {
        sql("CREATE DATABASE " + dbname);
        each({"CREATE TABLE alias (address varchar(3000), target varchar(3000), number int, id int)",
              "INSERT INTO alias VALUES ('alice@example.com', 'alice1@dest.example', 1, 1),"
              " ('o''brien@example.com', 'obrien', 2, 2),"
              " ('back\\\\slash@example.com', 'slashed', 3, 3),"
              " ('umlaut@example.com', CONVERT(x'C3BC6EC3AF' USING utf8mb4), 4, 4),"
              " ('null@example.com', NULL, 5, 5), ('per%cent@example.com', 'percent', 6, 6),"
              " ('two@example.com', 'first', 7, 7), ('two@example.com', NULL, 7, 8),"
              " ('two@example.com', '', 7, 9), ('two@example.com', 'second', 7, 10),"
              " ('empty@example.com', '', 8, 11), ('nul@example.com', x'61620063', 9, 12),"
              " ('quote\"d@example.com', 'double', 10, 13)"},
             dbname);
    }
    void drop(const std::string& dbname) const override { sql("DROP DATABASE IF EXISTS " + dbname); }
    [[nodiscard]] std::unique_ptr<table::TableBackend> backend(Loop& loop,
                                                               Resolver& resolver) const override {
        return std::make_unique<mysql::TableBackend>(loop, resolver);
    }

    [[nodiscard]] int connections(const std::string& dbname) const override {
        return std::stoi(sql("SELECT COUNT(*)" + of_proxyd(dbname)));
    }
    [[nodiscard]] int queries(const std::string& dbname) const override {
        return std::stoi(sql("SELECT COUNT(*)" + of_proxyd(dbname) + " AND info IS NOT NULL"));
    }
    void cut_connections(const std::string& dbname) const override { kill("CONNECTION", dbname); }
    // `what`: CONNECTION or QUERY.
    void kill(const std::string& what, const std::string& dbname) const {
        const auto ids = sql("SELECT GROUP_CONCAT(id)" + of_proxyd(dbname));
        for (std::size_t begin = 0; begin < ids.size();) {
            const auto end = std::min(ids.find(',', begin), ids.size());
            sql("KILL " + what + " " + ids.substr(begin, end - begin));
            begin = end + 1;
        }
    }

    void create_account(const Account& one, std::optional<int> connections = {}) const override {
        each({fmt::format("CREATE OR REPLACE USER '{}'@'%' IDENTIFIED BY '{}' WITH MAX_USER_CONNECTIONS {}",
                          one.user, one.password.value_or(""), connections.value_or(0)),
              fmt::format("GRANT SELECT ON *.* TO '{}'@'%'", one.user)});
    }
    void change_password(const Account& one) const override {
        sql(fmt::format("ALTER USER '{}'@'%' IDENTIFIED BY '{}'", one.user, one.password.value_or("")));
    }
    void ask_for_password(const std::string&, bool) const override {}

    const std::string socket = environment("PROXYD_TEST_MYSQL_SOCKET");

  private:
    static std::string of_proxyd(const std::string& dbname) {
        return fmt::format(" FROM information_schema.processlist WHERE db = '{}'", dbname);
    }
};

inline const MysqlEngine mysql_engine;

class MysqlScene : public DatabaseScene {
  protected:
    MysqlScene() : DatabaseScene(mysql_engine) {}

    const MysqlEngine& admin = mysql_engine;
};

// The rows of "alias" have an order there.
inline const char* const by_address_mysql =
    "query = SELECT target FROM alias WHERE address = '%s' ORDER BY id";

}  // namespace proxyd
