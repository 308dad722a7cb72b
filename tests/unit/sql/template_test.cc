#include "backends/sql/template.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace proxyd::sql {
namespace {

Template parsed(std::string_view source) {
    std::string error;
    std::optional<Template> result = parse_template(source, error);
    EXPECT_TRUE(result) << source << ": " << error;
    return result.value_or(Template());
}

// The query that the database would get, without quoting; "-" if the lookup is suppressed.
std::string asked(std::string_view query, std::string_view key, std::string_view result_format = "%s") {
    const Template query_template = parsed(query);
    const KeyParts parts(key);
    if (!suits(parts, key_demands(query_template, parsed(result_format)))) return "-";
    const Quote plain = [](std::string_view value, std::string& out) {
        out += value;
        return true;
    };
    return expand_query(query_template, parts, plain).value();
}

struct Case {
    std::string_view query, key, expected;
};

class Query : public testing::TestWithParam<Case> {};

TEST_P(Query, ExpandsOrIsSuppressed) {
    EXPECT_EQ(asked(GetParam().query, GetParam().key), GetParam().expected);
}

constexpr std::string_view everything = "%u:%d:%s:%U:%D:%S:%%";
INSTANTIATE_TEST_SUITE_P(
    Keys, Query,
    testing::Values(
        // nothing is asked for an empty key
        Case{"%s", "", "-"}, Case{"const", "", "-"}, Case{"%s", "x", "x"}, Case{"const", "x", "const"},
        // all specifiers, the last '@' counts
        Case{everything, "a@b@c.d", "a@b:c.d:a@b@c.d:a@b:c.d:a@b@c.d:%"}, Case{everything, "plain", "-"},
        Case{everything, "@example.com", "-"}, Case{everything, "user@", "-"},
        // %u needs a non-empty local part, but no '@'
        Case{"%u", "plain", "plain"}, Case{"%u", "user@", "user"}, Case{"%u", "@d", "-"},
        Case{"%u", "@", "-"}, Case{"%U", "plain", "plain"}, Case{"%U", "@d", "-"}, Case{"%u", "@a@b", "@a"},
        // %d needs a domain, but no local part
        Case{"%d", "@example.com", "example.com"}, Case{"%d", "plain", "-"}, Case{"%d", "user@", "-"},
        Case{"%d", "a@b.", "b."}, Case{"%D", "@example.com", "example.com"}, Case{"%D", "plain", "-"},
        // labels from the right; empty ones vanish
        Case{"%1 %2 %3", "u@a.b.c", "c b a"}, Case{"%1 %2 %3", "u@a.b.c.d", "d c b"},
        Case{"%1 %2 %3", "u@a.b", "-"}, Case{"%1 %2 %3", "u@a..b.c", "c b a"},
        Case{"%1 %2 %3", "u@.a.b.c", "c b a"}, Case{"%1 %2 %3", "u@a.b.c.", "c b a"},
        Case{"%1 %2 %3", "@a.b.c", "c b a"}, Case{"%1 %2 %3", "u@...", "-"}, Case{"%1 %2 %3", "a.b.c", "-"},
        Case{"%1", "u@...", "-"}, Case{"%3", "u@a.b", "-"}, Case{"%9", "u@1.2.3.4.5.6.7.8.9", "1"},
        Case{"%9", "u@1.2.3.4.5.6.7.8", "-"}, Case{"%9", "u@0.1.2.3.4.5.6.7.8.9", "1"},
        // everything else is text
        Case{"LIKE '%%@%d'", "a@b", "LIKE '%@b'"}, Case{"%s%s", "a", "aa"}, Case{"%%s", "a", "%s"}));

TEST(Query, ResultFormatDemandsPartsOfTheKeyToo) {
    EXPECT_EQ(asked("%s", "plain", "%D"), "-");
    EXPECT_EQ(asked("%s", "@d", "%U"), "-");
    EXPECT_EQ(asked("%s", "u@a.b", "%3"), "-");
    EXPECT_EQ(asked("%s", "plain", "%S"), "plain");
    // In a result format %u and %d are parts of the result.
    EXPECT_EQ(asked("%s", "plain", "%u%d"), "plain");
    EXPECT_EQ(asked("%s", "@d", "%u"), "@d");
}

TEST(Query, QuotesEachSpecifierAndNothingElse) {
    const Template query = parsed("'%u' \"%%\" '%d'");
    const Quote bracket = [](std::string_view value, std::string& out) {
        out += "<" + std::string(value) + ">";
        return true;
    };
    EXPECT_EQ(expand_query(query, KeyParts("o'b@x.y"), bracket), "'<o'b>' \"%\" '<x.y>'");
    const Quote fails = [](std::string_view, std::string&) { return false; };
    EXPECT_EQ(expand_query(query, KeyParts("a@b"), fails), std::nullopt);
    EXPECT_EQ(expand_query(parsed("const"), KeyParts("a@b"), fails), "const");
}

TEST(Query, IsWrittenIntoUsedMemory) {
    const Quote plain = [](std::string_view value, std::string& out) {
        out += value;
        return true;
    };
    std::string text = "the query of the last lookup, which was longer than this one";
    EXPECT_TRUE(write_query(parsed("'%u'"), KeyParts("a@b"), plain, text));
    EXPECT_EQ(text, "'a'");
}

TEST(KeyTest, HoldsItsTextAndTheParts) {
    const auto key = make_key("user@dom.example");
    EXPECT_EQ(key->text(), "user@dom.example");
    EXPECT_EQ(key->parts().user, "user");
    EXPECT_EQ(key->parts().domain, "dom.example");
    EXPECT_EQ(key->parts().key.data(), key->text().data());
    const auto short_one = make_key("a@b");  // kept within the object
    EXPECT_EQ(short_one->parts().key.data(), short_one->text().data());
}

TEST(Parsing, RefusesUnknownSpecifiers) {
    for (const std::string_view source : {"'%x'", "%", "100%", "a%", "%0", "% s", "LIKE '%@x'", "%%%"}) {
        std::string error;
        EXPECT_FALSE(parse_template(source, error)) << source;
        EXPECT_NE(error.find('%'), std::string::npos) << source;
    }
}

TEST(Parsing, KeepsSourceAndMergesText) {
    const Template result = parsed("a%%b%3c");
    EXPECT_EQ(result.source, "a%%b%3c");
    ASSERT_EQ(result.parts.size(), 2U);
    EXPECT_EQ(result.parts[0].text, "a%b");
    EXPECT_EQ(result.parts[0].specifier, Specifier::label);
    EXPECT_EQ(result.parts[0].label, 3);
    EXPECT_EQ(result.parts[1].text, "c");
    EXPECT_FALSE(result.parts[1].specifier);
    EXPECT_TRUE(parsed("").parts.empty());
}

struct Rows {
    std::string_view format, key;
    std::vector<std::string_view> values;
    std::string_view expected;
};

class Result : public testing::TestWithParam<Rows> {};

TEST_P(Result, IsJoined) {
    const Template format = parsed(GetParam().format);
    const KeyParts key(GetParam().key);
    ResultCollector collector(format, key, 0, 1 << 20);
    for (const std::string_view value : GetParam().values) (void)collector.add(value);
    EXPECT_EQ(collector.take(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Formats, Result,
    testing::Values(
        Rows{"<%s><%u><%d><%%>", "k", {"plain"}, ""},
        Rows{"<%s><%u><%d><%%>", "k", {"alice@example.com"}, "<alice@example.com><alice><example.com><%>"},
        Rows{"%s/%u/%d/%S/%U/%D/%1/%2",
             "k@ey.dom",
             {"val@dom.x"},
             "val@dom.x/val/dom.x/k@ey.dom/k/ey.dom/dom/ey"},
        Rows{"%d", "k", {"plain"}, ""}, Rows{"x%u", "k", {"plain"}, "xplain"}, Rows{"%u", "k", {"@dom"}, ""},
        Rows{"%d", "k", {"user@"}, ""}, Rows{"%u", "k", {"two@at@example.org"}, "two@at"},
        Rows{"%d", "k", {"a@b", "plain", "c@d"}, "b,d"}, Rows{"const", "k", {"1", "", "2"}, "const,const"},
        Rows{"%s", "k", {"a,b", "c d", "", "e"}, "a,b,c d,e"}, Rows{"%s", "k", {"a", "a"}, "a,a"},
        Rows{"%s", "k", {" "}, " "}, Rows{"%s", "k", {"l1\nl2"}, "l1\nl2"}, Rows{"%s", "k", {}, ""},
        Rows{"%s", "k", {""}, ""}, Rows{"smtp:[%s]", "k", {"h"}, "smtp:[h]"}));

// A key may be as long as a request, and an answer may have many rows, so the labels are split only once.
TEST(Labels, AreLookedForOnceInALookup) {
    std::string text = "a@..one..two...three.";
    const KeyParts key(text);
    EXPECT_EQ(key.label(2), "two");
    text.replace(text.find("two"), 3, "a.b");  // a second split would find another label
    EXPECT_EQ(key.label(1), "three");
    EXPECT_EQ(key.label(2), "a.b");
    EXPECT_EQ(key.label(3), "one");
    for (int number = 4; number <= 9; ++number) EXPECT_EQ(key.label(number), "");
    EXPECT_EQ(KeyParts("x@a.b.c.d.e.f.g.h.i.j").label(9), "b");
    EXPECT_EQ(KeyParts("x@...").label(1), "");
    EXPECT_EQ(KeyParts("x").label(1), "");
}

using Added = ResultCollector::Added;

TEST(Result, SaysWhatBecameOfAValue) {
    const Template format = parsed("%d");
    const KeyParts key("k");
    ResultCollector collector(format, key, 0, 1 << 20);
    EXPECT_EQ(collector.add(""), Added::empty_value);
    EXPECT_EQ(collector.add("plain"), Added::skipped);
    EXPECT_EQ(collector.add("user@"), Added::skipped);
    EXPECT_EQ(collector.add("a@b"), Added::appended);
}

TEST(Limit, CountsAppendedValuesOnly) {
    const Template format = parsed("%d");
    const KeyParts key("k");
    ResultCollector collector(format, key, 2, 1 << 20);
    EXPECT_EQ(collector.add("a@b"), Added::appended);
    EXPECT_EQ(collector.add(""), Added::empty_value);
    EXPECT_EQ(collector.add("plain"), Added::skipped);
    EXPECT_EQ(collector.add("c@d"), Added::appended);
    EXPECT_EQ(collector.add("plain"), Added::skipped);
    EXPECT_EQ(collector.add("e@f"), Added::over_limit);
    EXPECT_EQ(collector.take(), "b,d");
}

TEST(Limit, OfBytesCountsWhatIsMadeOfTheValues) {
    const Template format = parsed("%s %s");
    const KeyParts key("k");
    ResultCollector collector(format, key, 0, 15);
    EXPECT_EQ(collector.add("abc"), Added::appended);
    EXPECT_EQ(collector.add("def"), Added::appended);
    EXPECT_EQ(collector.add("g"), Added::too_large);
}

TEST(Limit, NoneForZeroAndNegative) {
    const Template format = parsed("%s");
    const KeyParts key("k");
    for (const int limit : {0, -1}) {
        ResultCollector collector(format, key, limit, 1 << 20);
        for (int i = 0; i < 100; ++i) EXPECT_EQ(collector.add("x"), Added::appended);
    }
}

}  // namespace
}  // namespace proxyd::sql
