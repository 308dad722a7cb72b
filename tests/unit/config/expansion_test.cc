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

// The expected values below come from postconf(1). It prints one blank for each run of white space, and none
// at the ends.
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

// `x = $y` counts as non-empty even if y is empty: the unexpanded value decides.
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

// The expected values come from `postconf -x` of Postfix 3.11.7.
TEST(Expansion, FunctionsForDomainNames) {
    const std::pair<const char*, const char*> rows[] = {
        {"${domain_to_ascii{bücher.example}}", "xn--bcher-kva.example"},
        {".${domain_to_ascii{$idn}}=x", ".xn--bcher-kva.example=x"},
        {"${domain_to_ascii {bücher.example}}", "xn--bcher-kva.example"},
        {"${domain_to_ascii{ bücher.example }}", "xn--bcher-kva.example"},
        {"$(domain_to_ascii{bücher.example})", "xn--bcher-kva.example"},
        {"${ domain_to_ascii{bücher.example} }", "xn--bcher-kva.example"},
        {"${domain_to_ascii{BÜCHER.Example}}", "xn--bcher-kva.example"},
        {"${domain_to_ascii{plain.Example}}", "plain.Example"},
        {"${domain_to_ascii{ß.example}}", "xn--zca.example"},
        {"${domain_to_ascii{b_ü.example}}", "xn--b_-yka.example"},
        {"${domain_to_ascii{ü。example}}", "xn--tda.example"},
        {"${{${domain_to_ascii{$idn}}} == {xn--bcher-kva.example} ? {same} : {other}}", "same"},
        {"${domain_to_ascii?{x}:{y}}", "y"},
        {"${domain_to_ascii}", ""},
        {"$domain_to_ascii{x}", "{x}"},
        {"${domain_to_utf8{xn--bcher-kva.example}}", "bücher.example"},
        {"${domain_to_utf8{XN--BCHER-KVA.Example}}", "bücher.example"},
        {"${domain_to_utf8{Plain.Example}}", "plain.example"},
        {"${domain_to_utf8{BÜCHER.Example}}", "BÜCHER.Example"},
        {"${domain_to_utf8{under_score.example}}", "under_score.example"},
        {"${domain_to_utf8{}}", ""},
    };
    const ParameterLookup names = [](std::string_view name) -> std::optional<std::string> {
        return name == "idn" ? std::optional<std::string>("bücher.example") : std::nullopt;
    };
    for (const auto& [expression, value] : rows) {
        EXPECT_NO_THROW(EXPECT_EQ(expand(expression, names), value)) << expression;
    }
}

TEST(Expansion, RefusesFunctionsWherePostfixDoes) {
    for (const char* expression :
         {"${domain_to_ascii{}}", "${domain_to_ascii{ü..x}}", "${domain_to_ascii(ü.example)}",
          "${domain_to_ascii{ü.example}x}", "${domain_to_ascii{ü.example}?{yes}:{no}}",
          "${domain_to_ascii{.ü.example}}", "${domain_to_ascii{-ü.example}}",
          "${domain_to_ascii{ü-.example}}", "${domain_to_ascii{ab--ü.example}}",
          "${domain_to_ascii{ü.example.}}", "${domain_to_ascii{ü x.example}}",
          "${domain_to_ascii{ü@x.example}}", "${domain_to_utf8{[1.2.3.4]}}", "${domain_to_utf8{a b}}",
          "${domain_to_utf8{a..b}}", "${domain_to_utf8{.example}}", "${domain_to_utf8{xn--a.example}}",
          "${nosuch{x}}"}) {
        EXPECT_THROW((void)expand(expression, lookup), ExpansionError) << expression;
    }
    const auto too_long = "${domain_to_ascii{ü" + std::string(70, 'x') + ".example}}";
    EXPECT_THROW((void)expand(too_long, lookup), ExpansionError);
}

// A later Postfix may know the function. The message must not repeat a value of some thousand bytes.
TEST(Expansion, AnUnknownFunctionIsToldBriefly) {
    try {
        (void)expand("${future{x}} " + std::string(5000, 'v'), lookup);
        FAIL() << "no exception";
    } catch (const ExpansionError& error) {
        const std::string text = error.what();
        EXPECT_NE(text.find("unknown function \"future\""), std::string::npos) << text;
        EXPECT_LT(text.size(), 200U);
    }
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
