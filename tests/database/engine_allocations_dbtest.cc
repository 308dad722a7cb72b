// How often proxyd allocates for one lookup, whichever engine the database has.
#include "tests/database/engine_scene.h"
#include "tests/database/lookup_allocations.h"

namespace proxyd {
namespace {

using EngineAllocations = EngineScene;

INSTANTIATE_TEST_SUITE_P(Each, EngineAllocations, each_engine(), engine_name);

TEST_P(EngineAllocations, AreFew) {
    const auto name = table("query = SELECT CONCAT('%s', '@dest.example') FROM alias LIMIT 1");
    expect_few_allocations(loop, *tables, name);
}

}  // namespace
}  // namespace proxyd
