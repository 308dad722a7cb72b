// A database of its own on the private server of an engine: what the tests of PostgreSQL and of MariaDB
// share.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "tests/database/table_scene.h"

namespace proxyd {

inline std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

struct Account {
    std::string user;
    std::optional<std::string> password;  // none: a table file does not have the line
};

// What differs between the engines: the private server, and its administrator's statements. It has no state.
class Engine {
  public:
    virtual ~Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Runs one statement in the database, or outside of the test's when it is ""; returns the first cell of
    // its answer, "" when there is none.
    virtual std::string sql(const std::string& text, const std::string& dbname = "") const = 0;
    void each(const std::vector<std::string>& statements, const std::string& dbname = "") const {
        for (const auto& one : statements) sql(one, dbname);
    }
    // A command of its program PROXYD_TEST_..._CTL: see tests/harness.
    void server(const std::string& command) const {
        ASSERT_EQ(std::system((control_ + " " + command).c_str()), 0);
    }

    // A database with the table "alias".
    virtual void create(const std::string& dbname) const = 0;
    // The server of PostgreSQL keeps the database until it ends.
    virtual void drop(const std::string& dbname) const = 0;
    [[nodiscard]] virtual std::unique_ptr<table::TableBackend> backend(Loop& loop,
                                                                       Resolver& resolver) const = 0;

    // Of proxyd to this database, as the server sees them: connections, and queries that it works on.
    [[nodiscard]] virtual int connections(const std::string& dbname) const = 0;
    [[nodiscard]] virtual int queries(const std::string& dbname) const = 0;
    virtual void cut_connections(const std::string& dbname) const = 0;

    // One that can read every table; of so many connections at most. Takes the place of one with this name.
    virtual void create_account(const Account& account, std::optional<int> connections = {}) const = 0;
    virtual void change_password(const Account& account) const = 0;
    // Whether the server asks this user for a password: MariaDB always does.
    virtual void ask_for_password(const std::string& user, bool ask) const = 0;

    const std::string type;    // of its tables
    const std::string port;    // on 127.0.0.1; "" without the server
    const Account account;     // may do everything
    const std::string sleep;   // its function
    const Duration restarted;  // the longest lookup while the server restarts

  protected:
    struct Names {
        std::string type, port, control, sleep;
    };
    Engine(const Names& names, Account administrator, Duration longest_restart)
        : type(names.type),
          port(environment(names.port.c_str())),
          account(std::move(administrator)),
          sleep(names.sleep),
          restarted(longest_restart),
          control_(environment(names.control.c_str())) {}

  private:
    std::string control_;
};

class DatabaseScene : public TableScene {
  protected:
    explicit DatabaseScene(const Engine& engine) : engine_(engine) {}

    void SetUp() override {
        if (engine_.port.empty()) GTEST_SKIP() << "run it with tests/harness/run_with_*.py";
        static int count = 0;
        dbname = fmt::format("maps{}_{}", getpid(), ++count);
        engine_.create(dbname);
        tables->add_backend(engine_.type, engine_.backend(loop, resolver));
    }
    void TearDown() override {
        EXPECT_LE(most_connections_, settings.pool_size);
        if (!dbname.empty()) engine_.drop(dbname);
    }

    // A table file; `rest` in addition to hosts, user, password and dbname.
    std::string table(const std::string& rest, const std::string& name = "t.cf") {
        return table_at(host(), rest, name);
    }
    std::string table_at(const std::string& hosts, const std::string& rest,
                         const std::string& name = "t.cf") {
        return table_of(engine_.account, hosts, rest, name);
    }
    std::string table_of(const Account& account, const std::string& hosts, const std::string& rest,
                         const std::string& name) {
        const auto password = account.password ? "password = " + *account.password + "\n" : std::string();
        return engine_.type + ":" +
               write(name, fmt::format("hosts = {}\nuser = {}\n{}dbname = {}\n{}\n", hosts, account.user,
                                       password, dbname, rest));
    }
    [[nodiscard]] std::string host() const { return "127.0.0.1:" + engine_.port; }

    // Connections of proxyd to the test's database, as the server sees them.
    int connections() {
        const auto count = engine_.connections(dbname);
        most_connections_ = std::max(most_connections_, count);
        return count;
    }
    void cut_connections() { engine_.cut_connections(dbname); }
    bool all_answered(const std::vector<std::shared_ptr<Lookup>>& lookups) {
        return run_until([&] {
            return std::all_of(lookups.begin(), lookups.end(),
                               [](const auto& one) { return one->answers == 1; });
        });
    }
    [[nodiscard]] std::size_t logged(const std::string& text) const {
        const auto log = recorded.text();
        std::size_t count = 0;
        for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
        return count;
    }

    std::string dbname;

  private:
    const Engine& engine_;
    int most_connections_ = 0;
};

// A query that is the same for both.
inline const char* const by_address = "query = SELECT target FROM alias WHERE address = '%s'";

}  // namespace proxyd
