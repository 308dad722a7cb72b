#include "backends/table/inline_table.h"

#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace proxyd::table {
namespace {

struct Case {
    std::string_view text, key;
    std::optional<std::string> value;
};

class Inline : public testing::TestWithParam<Case> {};

TEST_P(Inline, Finds) {
    std::string error;
    const std::optional<InlineTable> table = InlineTable::parse(GetParam().text, error);
    ASSERT_TRUE(table) << GetParam().text << ": " << error;
    EXPECT_EQ(table->find(GetParam().key), GetParam().value) << GetParam().text;
}

// The answers of Postfix's inline: tables without key folding.
INSTANTIATE_TEST_SUITE_P(
    Tables, Inline,
    testing::Values(Case{"{a=b}", "a", "b"}, Case{"{ a=b }", "a", "b"}, Case{"{ {a = b c} }", "a", "b c"},
                    Case{"{ { a = b c } { d = e } }", "a", "b c"}, Case{"{ { a = b c }, d=e }", "d", "e"},
                    Case{"{ a=b,d=e }", "d", "e"}, Case{"{a=b,,c=d}", "a", "b"}, Case{"{{a=b}}", "a", "b"},
                    Case{"{ {a = b, c} }", "a", "b, c"}, Case{"{ {a = b=c} }", "a", "b=c"},
                    Case{"{ {a = {b}} }", "a", "{b}"}, Case{"{ a={b} }", "a", "{b}"},
                    Case{"{ a=b{c=d} }", "c", std::nullopt}, Case{"{ { {a} = b} }", "a", std::nullopt},
                    Case{"{ { {a} = b} }", "{a}", "b"}, Case{"{ {{a=b}} }", "a", std::nullopt},
                    Case{"{ A=b }", "A", "b"}, Case{"{ A=b }", "a", std::nullopt},
                    Case{"{ a=b a=c }", "a", "c"}, Case{"{ {a=} }", "a", ""}, Case{"{ a= }", "a", ""},
                    Case{"{ =b }", "", "b"}, Case{"{ {=b} }", "a", std::nullopt}));

TEST(Inline, RefusesWhatPostfixRefuses) {
    for (const std::string_view text :
         {"", "a=b", " { a=b }", "{ a = b }", "{a=b c}", "{ a }", "{}", "{ }", "{ a=b } ", "{ a=b } x",
          "{ {a=b} x", "{a=b", "{ {a b=c} }", "{ {a b} }", "{ {a=b}c=d }", "{ a=b}c }", "{ {a=b }",
          "{ a = b }, {c=d}"}) {
        std::string error;
        EXPECT_FALSE(InlineTable::parse(text, error)) << text;
        EXPECT_NE(error, "") << text;
    }
}

TEST(Static, HasOneValue) {
    std::string error;
    EXPECT_EQ(static_value("x y", error), "x y");
    EXPECT_EQ(static_value(" x", error), " x");
    EXPECT_EQ(static_value("{x y}", error), "x y");
    EXPECT_EQ(static_value("{ x y }", error), "x y");
    EXPECT_EQ(static_value("{}", error), "");
    for (const std::string_view text : {"", "{ x y", "{ x y } z"}) {
        error.clear();
        EXPECT_FALSE(static_value(text, error)) << text;
        EXPECT_NE(error, "") << text;
    }
}

}  // namespace
}  // namespace proxyd::table
