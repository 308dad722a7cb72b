#include "backends/config/list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(SplitList, SeparatesAtCommasAndWhiteSpace) {
    EXPECT_THAT(split_list("a, b\tc\r\nd,,e ,"), ElementsAre("a", "b", "c", "d", "e"));
    EXPECT_THAT(split_list(""), IsEmpty());
    EXPECT_THAT(split_list(" ,\t, \n"), IsEmpty());
    EXPECT_THAT(split_list("{a b}"), ElementsAre("{a", "b}"));
    EXPECT_THAT(split_list("a\vb\fc;d"), ElementsAre("a\vb\fc;d"));
}

TEST(SplitListWithBraces, KeepsBracedTextTogether) {
    EXPECT_THAT(split_list_with_braces("a {b, c} d"), ElementsAre("a", "{b, c}", "d"));
    EXPECT_THAT(split_list_with_braces("inline:{ a=b, {c d} }x, y"),
                ElementsAre("inline:{ a=b, {c d} }x", "y"));
    EXPECT_THAT(split_list_with_braces("{a}{b c}"), ElementsAre("{a}{b c}"));
}

TEST(SplitListWithBraces, LoneClosingBraceIsAnOrdinaryCharacter) {
    EXPECT_THAT(split_list_with_braces("a} b {c d}"), ElementsAre("a}", "b", "{c d}"));
    EXPECT_THAT(split_list_with_braces("}{a b} c"), ElementsAre("}{a b}", "c"));
}

TEST(SplitListWithBraces, UnclosedBraceExtendsToTheEnd) {
    EXPECT_THAT(split_list_with_braces("a {b, c d"), ElementsAre("a", "{b, c d"));
}

TEST(StripBraces, GivesTheInsideWithoutBlanks) {
    std::string error;
    EXPECT_EQ(strip_braces("{ a, {b} }", error), "a, {b}");
    EXPECT_EQ(strip_braces("{}", error), "");
    EXPECT_EQ(strip_braces("{ \t }", error), "");
    EXPECT_EQ(error, "");
}

TEST(StripBraces, SaysWhatIsWrong) {
    std::string error;
    EXPECT_EQ(strip_braces("{a {b}", error), std::nullopt);
    EXPECT_THAT(error, HasSubstr("missing '}'"));
    EXPECT_EQ(strip_braces("{a}b", error), std::nullopt);
    EXPECT_THAT(error, HasSubstr("after '}'"));
    EXPECT_EQ(strip_braces("{a}{b}", error), std::nullopt);
    EXPECT_THAT(error, HasSubstr("after '}'"));
    EXPECT_EQ(strip_braces("a", error), std::nullopt);
    EXPECT_THAT(error, HasSubstr("missing '{'"));
}

TEST(Trim, RemovesWhiteSpaceAtBothEnds) {
    EXPECT_EQ(trim(" \t\r\n\v\fa b\f\v\n\r\t "), "a b");
    EXPECT_EQ(trim(""), "");
    EXPECT_EQ(trim(" \n"), "");
    EXPECT_EQ(trim("\xa0x"), "\xa0x");
}

}  // namespace
}  // namespace proxyd::config
