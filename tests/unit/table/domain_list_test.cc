#include "backends/table/domain_list.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace proxyd::table {
namespace {

using Kind = DomainMatch::Kind;
using Files = std::map<std::string, std::string>;

std::optional<DomainList> parsed(std::string_view value, const Files& files = {},
                                 std::string* error = nullptr) {
    std::string ignored;
    const DomainList::ReadFile read = [&](const std::string& path,
                                          std::string& why) -> std::optional<std::string> {
        const auto found = files.find(path);
        if (found != files.end()) return found->second;
        why = "open " + path + ": No such file or directory";
        return std::nullopt;
    };
    return DomainList::parse(value, read, true, error == nullptr ? ignored : *error);
}

// The result for a folded key: "yes", "no", "ask" or "broken".
std::string answer(const DomainList& list, std::string_view key) {
    const std::optional<std::string_view> domain = listed_domain(key);
    if (!domain) return "no";
    switch (list.match(*domain).kind) {
        case Kind::yes: return "yes";
        case Kind::no: return "no";
        case Kind::ask: return "ask";
        case Kind::broken: return "broken";
    }
    return "?";
}

struct Case {
    std::string_view value, key, expected;
};

class List : public testing::TestWithParam<Case> {};

TEST_P(List, Decides) {
    const Files files = {
        {"/file",
         "in.file\n# comment\n\n!neg.file, !!pos.file\ntwo.file # three.file\n  four.file\nfive.file\n "
         "five2.file"},
        {"/indented", std::string("  one.indented\n# comment\n  two.indented\n\tthree.indented\n"
                                  "nul.indented\0 hidden.indented\n  four.indented\nfive.indented {\n"
                                  "six.indented }",
                                  132)},
        {"/outer", "/file outer.file !/inner"},
        {"/inner", "inner.file"},
        {"/self", "before.self /self after.self"},
        {"/lacks", "first.file /missing"},
    };
    const std::optional<DomainList> list = parsed(GetParam().value, files);
    ASSERT_TRUE(list);
    EXPECT_EQ(answer(*list, GetParam().key), GetParam().expected)
        << GetParam().value << " : " << GetParam().key;
}

INSTANTIATE_TEST_SUITE_P(Names, List,
                         testing::Values(Case{"example.com, Example.NET", "x@example.net", "yes"},
                                         Case{"example.com, Example.NET", "x@sub.example.com", "no"},
                                         Case{"example.com, Example.NET", "postmaster", "no"},
                                         Case{"example.com, Example.NET", "example.com", "no"},
                                         Case{"example.com, Example.NET", "@example.com", "no"},
                                         Case{"example.com, Example.NET", "x@", "no"},
                                         Case{"x.org", "@a@x.org", "yes"}, Case{"x.org", "a@b@x.org", "yes"},
                                         Case{"{x.org}", "a@x.org", "no"},
                                         Case{"[1.2.3.4]", "a@[1.2.3.4]", "yes"},
                                         Case{"[IPv6:::1]", "a@[ipv6:::1]", "yes"},
                                         Case{"\xC3\x84X.org", "a@\xC3\xA4x.org", "yes"},
                                         Case{".example.org", "a@foo.example.org", "no"},
                                         Case{".example.org", "a@.example.org", "yes"}));

INSTANTIATE_TEST_SUITE_P(Negation, List,
                         testing::Values(Case{"!sub.example.com, sub.example.com", "a@sub.example.com", "no"},
                                         Case{"!!x.org", "a@x.org", "yes"},
                                         Case{"!!!x.org x.org", "a@x.org", "no"},
                                         Case{"!y.org x.org", "a@x.org", "yes"},
                                         Case{"!y.org", "a@x.org", "no"},
                                         Case{"x.org !x.org", "a@x.org", "yes"}));

INSTANTIATE_TEST_SUITE_P(
    FilesAndComments, List,
    testing::Values(Case{"/file", "a@in.file", "yes"}, Case{"/file neg.file", "a@neg.file", "no"},
                    Case{"/file", "a@pos.file", "yes"}, Case{"/file", "a@two.file", "yes"},
                    Case{"/file", "a@three.file", "no"},
                    // Postfix 3.8 and later take this line for part of the comment.
                    Case{"/file", "a@four.file", "yes"}, Case{"/file", "a@five.file", "yes"},
                    Case{"/indented", "a@one.indented", "yes"}, Case{"/indented", "a@two.indented", "yes"},
                    Case{"/indented", "a@three.indented", "yes"}, Case{"/indented", "a@nul.indented", "yes"},
                    Case{"/indented", "a@hidden.indented", "no"}, Case{"/indented", "a@four.indented", "yes"},
                    Case{"/indented", "a@five.indented", "yes"}, Case{"/indented", "a@six.indented", "yes"},
                    Case{"/file", "a@five2.file", "yes"}, Case{"/file after.org", "a@after.org", "yes"},
                    Case{"!/file in.file", "a@in.file", "no"}, Case{"!/file", "a@neg.file", "yes"},
                    Case{"/outer", "a@in.file", "yes"}, Case{"/outer", "a@outer.file", "yes"},
                    Case{"/outer inner.file", "a@inner.file", "no"}, Case{"/self", "a@before.self", "yes"},
                    Case{"/self", "a@after.self", "broken"}, Case{"# x.org", "a@x.org", "no"},
                    Case{"y.org #z x.org", "a@x.org", "no"}, Case{"x.org #z", "a@x.org", "yes"}));

INSTANTIATE_TEST_SUITE_P(
    Tables, List,
    testing::Values(Case{"static:x", "a@x.org", "yes"}, Case{"static:x", "a@", "yes"},
                    Case{"static:x", "@x.org", "no"}, Case{"static:x", "x.org", "no"},
                    Case{"!static:x, x.org", "a@x.org", "no"}, Case{"inline:{ x.org=1 }", "a@x.org", "yes"},
                    Case{"inline:{ {x.org = } }", "a@x.org", "yes"},
                    Case{"inline:{ X.org=1 }", "a@x.org", "no"},
                    Case{"!inline:{ x.org=1 }, x.org", "a@x.org", "no"},
                    Case{"inline:{ y.org=1 } x.org", "a@x.org", "yes"}, Case{"hash:/x", "a@x.org", "ask"},
                    Case{"x:y", "a@x.org", "ask"}, Case{"x.org hash:/x", "a@x.org", "yes"},
                    Case{"x.org hash:/x", "plain", "no"}, Case{"!hash:/x", "a@x.org", "ask"}));

INSTANTIATE_TEST_SUITE_P(
    Broken, List,
    testing::Values(Case{"/missing", "a@x.org", "broken"}, Case{"/missing", "plain", "no"},
                    Case{"!/missing", "a@x.org", "broken"}, Case{"x.org /missing", "a@x.org", "yes"},
                    Case{"/lacks", "a@first.file", "yes"}, Case{"/lacks", "a@x.org", "broken"},
                    Case{"fail:x", "a@x.org", "broken"}, Case{"x.org fail:x", "a@x.org", "yes"},
                    Case{"fail:x x.org", "a@x.org", "broken"}, Case{"inline:{}", "a@x.org", "broken"},
                    Case{"static:", "a@x.org", "broken"}, Case{":x", "a@x.org", "broken"},
                    Case{"static:{x", "a@x.org", "broken"}));

TEST(List, NoItemsMeansNoFilter) {
    EXPECT_TRUE(parsed("")->empty());
    EXPECT_FALSE(parsed("x.org")->empty());
    // The list was meant to restrict, so no domain passes.
    EXPECT_FALSE(parsed(",")->empty());
    EXPECT_FALSE(parsed("# x.org")->empty());
    EXPECT_FALSE(parsed("/file", {{"/file", "# nothing\n"}})->empty());
}

TEST(List, WarnsOfWhatNewerVersionsOfPostfixIgnore) {
    const auto list = parsed("/f", {{"/f", "  a.org\nb.org # old\n  c.org\n\n  d.org\ne.org\n  f.org\n"}});
    ASSERT_TRUE(list);
    std::vector<std::string> lines;
    for (const auto& warning : list->warnings()) {
        if (warning.find("3.8 and later") != std::string::npos) lines.push_back(warning.substr(0, 10));
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"/f, line 1", "/f, line 3", "/f, line 5"}));
    for (const auto* key : {"x@a.org", "x@b.org", "x@c.org", "x@d.org", "x@e.org", "x@f.org"})
        EXPECT_EQ(answer(*list, key), "yes") << key;
}

// The order of names and tables decides, however many there are.
TEST(List, NamesBeforeAndBehindATable) {
    const auto list = parsed("a.org !b.org hash:/t !a.org b.org c.org");
    ASSERT_TRUE(list);
    EXPECT_EQ(list->match("a.org").kind, Kind::yes);
    EXPECT_EQ(list->match("b.org").kind, Kind::no);
    const auto asked = list->match("c.org");
    ASSERT_EQ(asked.kind, Kind::ask);
    EXPECT_EQ(list->resume("c.org", asked.index, false).kind, Kind::yes);
    EXPECT_EQ(list->resume("d.org", asked.index, false).kind, Kind::no);
}

TEST(List, RefusesNegationOfNothing) {
    for (const std::string_view value : {"!", "a !", "! x.org", "!!"}) {
        std::string error;
        EXPECT_FALSE(parsed(value, {}, &error)) << value;
        EXPECT_NE(error, "") << value;
    }
    std::string error;
    EXPECT_FALSE(parsed("/file", {{"/file", "a\n\n!\n"}}, &error));
    EXPECT_NE(error.find("/file, line 3"), std::string::npos) << error;
}

TEST(List, GoesOnAfterANestedTable) {
    const std::optional<DomainList> list = parsed("hash:/one, !hash:/two, x.org");
    ASSERT_TRUE(list);
    DomainMatch match = list->match("x.org");
    ASSERT_EQ(match.kind, Kind::ask);
    EXPECT_EQ(match.table, "hash:/one");
    EXPECT_EQ(list->resume("x.org", match.index, true).kind, Kind::yes);
    match = list->resume("x.org", match.index, false);
    ASSERT_EQ(match.kind, Kind::ask);
    EXPECT_EQ(match.table, "hash:/two");
    EXPECT_EQ(list->resume("x.org", match.index, true).kind, Kind::no);
    EXPECT_EQ(list->resume("x.org", match.index, false).kind, Kind::yes);
    EXPECT_EQ(list->resume("y.org", match.index, false).kind, Kind::no);
}

TEST(List, NamesItsFilesAndFaults) {
    const std::optional<DomainList> list = parsed("/a, /missing #c", {{"/a", "/b x\n/b"}, {"/b", "y"}});
    ASSERT_TRUE(list);
    EXPECT_EQ(list->files(), (std::vector<std::string>{"/a", "/b", "/missing"}));
    EXPECT_EQ(list->warnings().size(), 1U);
    const DomainMatch match = list->match("q");
    EXPECT_EQ(match.kind, Kind::broken);
    EXPECT_EQ(match.reason, "open /missing: No such file or directory");
}

TEST(List, WarnsOfInlineKeysThatNoFoldedDomainEquals) {
    const std::optional<DomainList> list = parsed("inline:{ X.org=1, y.org=1 }");
    ASSERT_TRUE(list);
    EXPECT_EQ(list->warnings(),
              (std::vector<std::string>{"domain: inline: \"X.org\" is never found: write \"x.org\""}));
}

}  // namespace
}  // namespace proxyd::table
