#include "proxyd/logging/printable.h"

#include <string>

#include <gtest/gtest.h>

namespace proxyd::logging {
namespace {

TEST(Printable, ReplacesWhatCouldBreakALine) {
    const std::string nul("a\0b", 3);
    const struct {
        std::string text;
        const char* ascii;
        const char* utf8;
    } cases[] = {
        {"plain ~ text", "plain ~ text", "plain ~ text"},
        {"two\nlines\r\t\x7f", "two lines ?", "two lines ?"},
        {nul, "a?b", "a?b"},
        {"f\xc3\xbc", "f??", "f\xc3\xbc"},
        {"\xe2\x82\xac \xf0\x9f\x93\xa7", "??? ????", "\xe2\x82\xac \xf0\x9f\x93\xa7"},
        {"\xfc\xff", "??", "??"},
        {"\xc3", "?", "?"},
        {"\xe2\x82", "??", "??"},
        {"\xc0\xaf", "??", "??"},
        {"\xe0\x80\xaf", "???", "???"},
        {"\xed\xa0\x80", "???", "???"},
        {"\xf4\x90\x80\x80", "????", "????"},
        {"\xc2\x9b"
         "31m",
         "??31m", "??31m"},
        {"Connection refused\n\tIs the server running?\n", "Connection refused Is the server running?",
         "Connection refused Is the server running?"},
        {"\xc3\nx", "? x", "? x"},
        // U+202E, U+2066, U+200F, U+2028: they make a text look like another
        {"a\xe2\x80\xae"
         "b",
         "a???b", "a???b"},
        {"\xe2\x81\xa6 \xe2\x80\x8f \xe2\x80\xa8 \xd8\x9c", "??? ??? ??? ??", "??? ??? ??? ??"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(printable(c.text, false), c.ascii);
        EXPECT_EQ(printable(c.text, true), c.utf8);
    }
}

TEST(Printable, PlainTextIsWhatTerminalsOnlyShow) {
    EXPECT_EQ(plain_text("one\ttwo\nf\xc3\xbcnf\n"), "one\ttwo\nf\xc3\xbcnf\n");
    EXPECT_EQ(plain_text("\x1b[2J \a \r \b \x7f \xc2\x9b"
                         "1m \xfc"),
              "?[2J ? ? ? ? ??1m ?");
    EXPECT_EQ(plain_text("\xe2\x80\xae"), "???");
}

TEST(Printable, ClipsBetweenCharacters) {
    EXPECT_EQ(clipped("abc", 3), "abc");
    EXPECT_EQ(clipped("abcd", 3), "abc");
    EXPECT_EQ(clipped("ab\xc3\xbc", 3), "ab");
    EXPECT_EQ(clipped("ab\xc3\xbc", 4), "ab\xc3\xbc");
    EXPECT_EQ(clipped("abc", 0), "");
}

}  // namespace
}  // namespace proxyd::logging
