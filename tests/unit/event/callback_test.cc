#include "backends/event/callback.h"

#include <array>
#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace proxyd {
namespace {

using Text = Callback<void(const std::string&)>;

TEST(CallbackTest, ItCallsWhatItHolds) {
    std::string got;
    const Text small = [&got](const std::string& text) { got += text; };
    small("a");
    small("b");
    EXPECT_EQ(got, "ab");
    const std::array<std::string, 8> large{"too", "large", "for", "its", "own", "place"};
    const Text on_heap = [&got, large](const std::string& text) { got = large[1] + text; };
    on_heap("!");
    EXPECT_EQ(got, "large!");
}

TEST(CallbackTest, AnEmptyOneIsFalse) {
    Text none;
    EXPECT_FALSE(none);
    none = [](const std::string&) {};
    EXPECT_TRUE(none);
    none = nullptr;
    EXPECT_FALSE(none);
}

// What the function owns lives exactly as long as the callback that holds it.
TEST(CallbackTest, ItOwnsItsFunction) {
    for (const bool large : {false, true}) {
        const auto owned = std::make_shared<int>(0);
        const std::array<char, 100> bulk{};
        Text first;
        if (large) {
            first = [owned, bulk](const std::string&) { *owned += 1 + bulk[0]; };
        } else {
            first = [owned](const std::string&) { ++*owned; };
        }
        EXPECT_EQ(owned.use_count(), 2);
        Text second = std::move(first);
        EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is asked here
        EXPECT_EQ(owned.use_count(), 2);
        second("");
        EXPECT_EQ(*owned, 1);
        second = Text([](const std::string&) {});
        EXPECT_EQ(owned.use_count(), 1);
    }
}

TEST(CallbackTest, ItTakesWhatCannotBeCopied) {
    int got = 0;
    Callback<void(std::unique_ptr<int>)> sink = [&got, own = std::make_unique<int>(2)](auto value) {
        got = *own * *value;
    };
    Callback<void()> outer = [sink = std::move(sink)] { sink(std::make_unique<int>(21)); };
    outer();
    EXPECT_EQ(got, 42);
}

}  // namespace
}  // namespace proxyd
