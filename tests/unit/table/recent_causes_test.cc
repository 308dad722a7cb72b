#include "backends/table/recent_causes.h"

#include <set>

#include <gtest/gtest.h>

namespace proxyd::table {
namespace {

TEST(RecentCauses, TellsThemApart) {
    RecentCauses causes;
    const auto first = causes.number("no such file");
    const auto second = causes.number("not a database");
    EXPECT_NE(first, second);
    EXPECT_EQ(causes.number("no such file"), first);
    EXPECT_EQ(causes.number("not a database"), second);
}

TEST(RecentCauses, AreFewHoweverManyTexts) {
    RecentCauses causes;
    std::set<std::size_t> numbers;
    for (int i = 0; i < 100; ++i) numbers.insert(causes.number("bad key " + std::to_string(i)));
    EXPECT_EQ(numbers.size(), 3U);
}

}  // namespace
}  // namespace proxyd::table
