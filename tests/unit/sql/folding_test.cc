#include "backends/sql/folding.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace proxyd::sql {
namespace {

TEST(Utf8, AcceptsWhatRfc3629Allows) {
    for (const std::string_view text :
         {"", "plain", "a\tb\x01", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
          "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "j\xC3\xBCrgen@example.com"})
        EXPECT_TRUE(is_utf8(text)) << testing::PrintToString(text);
}

TEST(Utf8, RefusesEverythingElse) {
    const std::vector<std::string> bad = {
        "\xFF",              // never a first byte
        "\x80",              // continuation without a start
        "\xC0\xAF",          // overlong
        "\xC1\xBF",          // overlong
        "\xE0\x9F\xBF",      // overlong
        "\xF0\x8F\xBF\xBF",  // overlong
        "\xED\xA0\x80",      // surrogate
        "\xED\xBF\xBF",      // surrogate
        "\xF4\x90\x80\x80",  // above U+10FFFF
        "\xF5\x80\x80\x80",  // above U+10FFFF
        "\xC3",              // truncated
        "\xE2\x82",          // truncated
        "\xF0\x9F\x98",      // truncated
        "\xC3(",             // not a second byte
        "\xE2\x82(",         // not a third byte
        "ok \xE4 latin1",
    };
    for (const std::string& text : bad) EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
}

TEST(Folding, AsciiLeavesOtherBytesAlone) {
    EXPECT_EQ(fold_ascii("Alice@Example.COM"), "alice@example.com");
    EXPECT_EQ(fold_ascii("\xC3\x9CN\xC3\x8F"), "\xC3\x9Cn\xC3\x8F");
    EXPECT_EQ(fold_ascii("@[`{\xFF"), "@[`{\xFF");
    EXPECT_EQ(fold_ascii(""), "");
}

TEST(Folding, UnicodeDefaultCaseFolding) {
    EXPECT_EQ(fold_utf8("UP"), "up");
    EXPECT_EQ(fold_utf8(""), "");
    EXPECT_EQ(fold_utf8("\xC3\x9CN\xC3\x8F\xC3\x9F"), "\xC3\xBCn\xC3\xAFss");  // ÜNÏß -> ünïss
    EXPECT_EQ(fold_utf8("\xCE\xA3\xCF\x82"), "\xCF\x83\xCF\x83");              // Σς -> σσ
    EXPECT_EQ(fold_utf8("I\xC4\xB1"), "i\xC4\xB1");                            // dotless i stays
    EXPECT_EQ(fold_utf8("e\xCC\x81"), "e\xCC\x81");                            // not composed
}

TEST(Folding, TextThatGrows) {
    // U+0390 folds to three characters, two bytes to six. That exceeds any first guess of the buffer's size.
    std::string text;
    std::string folded;
    for (int i = 0; i < 1000; ++i) {
        text += "\xCE\x90";
        folded += "\xCE\xB9\xCC\x88\xCC\x81";
    }
    EXPECT_EQ(fold_utf8(text), folded);
}

TEST(Address, SplitsAtTheLastAt) {
    const auto check = [](std::string_view text, std::string_view user, bool has_at,
                          std::string_view domain) {
        const AddressParts parts = split_address(text);
        EXPECT_EQ(parts.user, user) << text;
        EXPECT_EQ(parts.has_at, has_at) << text;
        EXPECT_EQ(parts.domain, domain) << text;
    };
    check("a@b@c.d", "a@b", true, "c.d");
    check("plain", "plain", false, "");
    check("user@", "user", true, "");
    check("@example.com", "", true, "example.com");
    check("", "", false, "");
}

}  // namespace
}  // namespace proxyd::sql
