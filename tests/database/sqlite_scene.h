// SQLite files in the directory of the test.
#pragma once

#include <string>

#include <sqlite3.h>

#include "backends/sqlite/table_backend.h"
#include "tests/database/table_scene.h"

namespace proxyd {

class SqliteScene : public TableScene {
  protected:
    void SetUp() override {
        tables->add_backend("sqlite", std::make_unique<sqlite::TableBackend>(loop));
        path = directory + "/maps.db";
        make(path, "alice1");
    }
    static void sql(const std::string& file, const std::string& text) {
        sqlite3* database = nullptr;
        ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
        char* message = nullptr;
        EXPECT_EQ(sqlite3_exec(database, text.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
        sqlite3_close(database);
    }
    static void make(const std::string& file, const std::string& target) {
        sql(file,
            "CREATE TABLE alias (address TEXT, target TEXT, number INT);"
            "INSERT INTO alias VALUES ('alice', '" +
                target +
                "', 42), ('o''brien', 'obrien', 7), ('nul', 'a' || "
                "x'00' || 'b', 8), ('blob', x'61620063', 9)");
    }
    std::string table(const std::string& query, const std::string& name = "s.cf") {
        return "sqlite:" + write(name, "dbpath = " + path + "\nquery = " + query + "\n");
    }

    std::string path;
    const std::string by_name = "SELECT target FROM alias WHERE address = '%s'";
};

}  // namespace proxyd
