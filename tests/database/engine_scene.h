// Tests that each engine has to pass: they run once for PostgreSQL and once for MariaDB.
#pragma once

#include <string>

#include "tests/database/mysql_scene.h"
#include "tests/database/pgsql_scene.h"

namespace proxyd {

class EngineScene : public DatabaseScene, public testing::WithParamInterface<const Engine*> {
  protected:
    EngineScene() : DatabaseScene(*GetParam()) {}

    const Engine& engine = *GetParam();
};

inline auto each_engine() {
    return testing::Values<const Engine*, const Engine*>(&pgsql_engine, &mysql_engine);
}
// What CMakeLists.txt chooses the tests by.
inline std::string engine_name(const testing::TestParamInfo<const Engine*>& one) {
    return one.param->type;
}

}  // namespace proxyd
