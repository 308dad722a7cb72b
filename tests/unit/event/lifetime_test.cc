#include "backends/event/lifetime.h"

#include <optional>

#include <gtest/gtest.h>

namespace proxyd {
namespace {

TEST(Lifetime, AWatchTellsWhenTheObjectHasGone) {
    std::optional<Lifetime> object(std::in_place);
    const auto watch = object->watch();
    EXPECT_TRUE(watch);
    object.reset();
    EXPECT_FALSE(watch);
}

TEST(Lifetime, TheEndMayComeBeforeTheDestructor) {
    Lifetime object;
    const auto watch = object.watch();
    object.end();
    EXPECT_FALSE(watch);
    EXPECT_FALSE(object.watch());
}

}  // namespace
}  // namespace proxyd
