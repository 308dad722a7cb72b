// A database of its own on the private MariaDB server, and a session of its administrator.
#pragma once

#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <mysql.h>
#include <unistd.h>

#include "backends/mysql/table_backend.h"
#include "tests/database/table_scene.h"

namespace proxyd {

inline std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

class MysqlAdministrator {
  public:
    // Runs one statement; returns the first cell of its answer, "" when there is none.
    std::string sql(const std::string& text, const std::string& dbname = "") const {
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
    void each(const std::vector<std::string>& statements, const std::string& dbname = "") const {
        for (const auto& one : statements) sql(one, dbname);
    }
    static void server(const std::string& command) {
        ASSERT_EQ(std::system((environment("PROXYD_TEST_MYSQL_CTL") + " " + command).c_str()), 0);
    }

    const std::string port = environment("PROXYD_TEST_MYSQL_PORT");
    const std::string socket = environment("PROXYD_TEST_MYSQL_SOCKET");
};

class MysqlScene : public TableScene {
  protected:
    void SetUp() override {
        if (admin.port.empty()) GTEST_SKIP() << "run it with tests/harness/run_with_mariadb.py";
        static int count = 0;
        dbname = fmt::format("maps{}_{}", getpid(), ++count);
        admin.sql("CREATE DATABASE " + dbname);
        admin.each({"CREATE TABLE alias (address varchar(3000), target varchar(3000), number int, id int)",
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
        tables->add_backend("mysql", std::make_unique<mysql::TableBackend>(loop, resolver));
    }
    void TearDown() override {
        EXPECT_LE(most_connections_, settings.pool_size);
        if (!dbname.empty()) admin.sql("DROP DATABASE IF EXISTS " + dbname);
    }

    // A table file; `rest` in addition to hosts, user, password and dbname.
    std::string table(const std::string& rest, const std::string& name = "t.cf") {
        return table_at(host(), rest, name);
    }
    std::string table_at(const std::string& hosts, const std::string& rest,
                         const std::string& name = "t.cf") {
        return table_of(user, password, hosts, rest, name);
    }
    std::string table_of(const std::string& account, const std::string& secret, const std::string& hosts,
                         const std::string& rest, const std::string& name) {
        return "mysql:" + write(name, fmt::format("hosts = {}\nuser = {}\npassword = {}\ndbname = {}\n{}\n",
                                                  hosts, account, secret, dbname, rest));
    }
    [[nodiscard]] std::string host() const { return "127.0.0.1:" + admin.port; }

    // Connections of proxyd to the test's database, as the server sees them.
    int connections() {
        const auto count = std::stoi(admin.sql(
            fmt::format("SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}'", dbname)));
        most_connections_ = std::max(most_connections_, count);
        return count;
    }
    // `what`: CONNECTION or QUERY.
    void kill(const std::string& what = "CONNECTION") {
        const auto ids = admin.sql(fmt::format(
            "SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE db = '{}'", dbname));
        for (std::size_t begin = 0; begin < ids.size();) {
            const auto end = std::min(ids.find(',', begin), ids.size());
            admin.sql("KILL " + what + " " + ids.substr(begin, end - begin));
            begin = end + 1;
        }
    }
    [[nodiscard]] std::size_t logged(const std::string& text) const {
        const auto log = recorded.text();
        std::size_t count = 0;
        for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
        return count;
    }

    MysqlAdministrator admin;
    const std::string user = environment("PROXYD_TEST_MYSQL_USER");
    const std::string password = environment("PROXYD_TEST_MYSQL_PASSWORD");
    std::string dbname;

  private:
    int most_connections_ = 0;
};

inline const char* const by_address_mysql =
    "query = SELECT target FROM alias WHERE address = '%s' ORDER BY id";

}  // namespace proxyd
