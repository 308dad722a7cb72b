// How often proxyd allocates for one lookup in an SQLite file.
#include "tests/database/lookup_allocations.h"
#include "tests/database/sqlite_scene.h"

namespace proxyd {
namespace {

using SqliteAllocations = SqliteScene;

TEST_F(SqliteAllocations, AreFew) {
    expect_few_allocations(loop, *tables, table("SELECT '%s' || '@dest.example'"));
}

}  // namespace
}  // namespace proxyd
