#include "backends/config/expansion.h"

#include <map>

#include <gtest/gtest.h>

#include "tests/unit/config/postfix_expansions.h"

namespace proxyd::config {
namespace {

const std::map<std::string, std::string, std::less<>> parameters = {
    {"v", "value"},
    {"empty", ""},
    {"one", "1"},
    {"two", "2"},
    {"ten", "10"},
    {"text", "abc"},
    {"spaced", "two words"},
    {"ref", "$v"},
    {"deep", "<$ref>"},
    {"a_b9", "underscore"},
    {"cond", "${v?{yes}:{no}}"},
    {"loop", "$loop"},
    {"loop1", "x$loop2"},
    {"loop2", "y$loop1"},
    {"refempty", "$empty"},
    {"refnope", "$nope"},
    {"blank", "${nope}"},
    {"quoted", "{a}"},
    {"dollar", "$$v"},
    {"brace", "}"},
    {"lvl", "3.6"},
    {"compatibility_level", "0"},
};

std::optional<std::string> lookup(std::string_view name) {
    const auto found = parameters.find(name);
    if (found == parameters.end()) return std::nullopt;
    return found->second;
}

// postconf(1), whose answers the rows below are, prints one blank for each run of white space and none at the
// ends.
std::string as_postconf_prints(const std::string& text) {
    std::string result;
    for (const char c : text) {
        const bool is_blank = c == ' ' || c == '\t';
        if (is_blank && (result.empty() || result.back() == ' ')) continue;
        result += is_blank ? ' ' : c;
    }
    if (result.ends_with(' ')) result.pop_back();
    return result;
}

TEST(Expansion, GivesWhatPostfixGives) {
    for (const PostfixExpansion& row : postfix_expansions) {
        SCOPED_TRACE(row.expression);
        EXPECT_NO_THROW(EXPECT_EQ(as_postconf_prints(expand(row.expression, lookup)), row.value));
    }
}

TEST(Expansion, RefusesWhatPostfixRefuses) {
    for (const char* expression : postfix_refuses) {
        EXPECT_THROW((void)expand(expression, lookup), ExpansionError) << expression;
    }
}

TEST(Expansion, KeepsBlanksOfTextsAsWritten) {
    EXPECT_EQ(expand("a  b", lookup), "a  b");
    EXPECT_EQ(expand("<${v?  a  b }>", lookup), "<  a  b >");
    EXPECT_EQ(expand("<${v?{  a  b }}>", lookup), "<  a  b >");
    EXPECT_EQ(expand("<${v? {  a  b } }>", lookup), "<  a  b >");
    EXPECT_EQ(expand("<${empty?{x}:  a  b }>", lookup), "<  a  b >");
    EXPECT_EQ(expand("<${{1} == {1} ?  a  b }>", lookup), "<  a  b >");
    EXPECT_EQ(expand("${v?{inline:{ a=b,  c=d }}}", lookup), "inline:{ a=b,  c=d }");
}

// x = $y counts as non-empty even when y is empty: the value as written decides.
TEST(Expansion, ConditionLooksAtTheUnexpandedValue) {
    EXPECT_EQ(expand("${refempty?{set}:{unset}}", lookup), "set");
    EXPECT_EQ(expand("${empty?{set}:{unset}}", lookup), "unset");
}

TEST(Expansion, FollowsAHundredLevelsAndNoMore) {
    const auto chain = [](int length) -> ParameterLookup {
        return [length](std::string_view name) -> std::optional<std::string> {
            const int number = std::stoi(std::string(name.substr(1)));
            return number < length ? "$p" + std::to_string(number + 1) : "end";
        };
    };
    EXPECT_EQ(expand("$p1", chain(100)), "end");
    EXPECT_THROW((void)expand("$p1", chain(101)), ExpansionError);
}

TEST(Expansion, SelfReferenceThroughAComparisonEnds) {
    const ParameterLookup self = [](std::string_view) {
        return std::optional<std::string>("${{$x} == {$x}}");
    };
    EXPECT_THROW((void)expand("$x", self), ExpansionError);
}

TEST(Expansion, ManyReferencesAreFollowedButNotWithoutEnd) {
    const auto doubling = [](int length) -> ParameterLookup {
        return [length](std::string_view name) -> std::optional<std::string> {
            const int number = std::stoi(std::string(name.substr(1)));
            const auto next = "$p" + std::to_string(number + 1);
            return number < length ? next + next : "x";
        };
    };
    EXPECT_EQ(expand("$p1", doubling(12)), std::string(2048, 'x'));
    EXPECT_THROW((void)expand("$p1", doubling(50)), ExpansionError);
}

TEST(Expansion, ErrorSaysTheValueAndTheFault) {
    try {
        (void)expand("static:${v", lookup);
        FAIL() << "no exception";
    } catch (const ExpansionError& error) {
        EXPECT_EQ(std::string(error.what()), "bad '$' expression in \"static:${v\": missing '}' for \"{v\"");
    }
}

}  // namespace
}  // namespace proxyd::config
