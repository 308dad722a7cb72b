#include "proxyd/config/options.h"

#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxyd/config/options_manual.h"

namespace proxyd {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Options, DeclaredDefaultsAreThoseOfTheStruct) {
    for (const OptionInfo& option : option_infos()) {
        EXPECT_EQ(option_text(Options{}, option.name), option.fallback) << option.name;
    }
}

TEST(Options, DefaultsCanBeSetAndReadBack) {
    for (const OptionInfo& option : option_infos()) {
        Options options;
        EXPECT_EQ(set_option(options, option.name, option.fallback), "") << option.name;
        EXPECT_EQ(option_text(options, option.name), option.fallback);
    }
}

TEST(Options, AreDeclaredOnceAndDescribed) {
    std::set<std::string_view> names;
    for (const OptionInfo& option : option_infos()) {
        EXPECT_TRUE(names.insert(option.name).second) << option.name;
        EXPECT_FALSE(option.help.empty()) << option.name;
        EXPECT_FALSE(option.range.empty()) << option.name;
    }
    EXPECT_GE(names.size(), 14U);
}

TEST(Options, WorkersAreANumberOrAuto) {
    Options options;
    EXPECT_EQ(options.workers, 1);
    EXPECT_EQ(set_option(options, "workers", "64"), "");
    EXPECT_EQ(options.workers, 64);
    EXPECT_EQ(set_option(options, "workers", "Auto"), "");
    EXPECT_EQ(options.workers, std::nullopt);
    EXPECT_EQ(option_text(options, "workers"), "auto");
    EXPECT_EQ(set_option(options, "workers", "0"), "bad value: workers = 0, expected 1 to 64, or auto");
    EXPECT_NE(set_option(options, "workers", "65"), "");
}

// The range in the help text is the range that is enforced.
TEST(Options, RangesAreAsWritten) {
    for (const OptionInfo& option : option_infos()) {
        const std::size_t to = option.range.find(" to ");
        if (to == std::string_view::npos || option.type == OptionType::integer_or_auto) continue;
        const std::string_view low = option.range.substr(0, to);
        const std::string_view high = option.range.substr(to + 4);
        Options options;
        EXPECT_EQ(set_option(options, option.name, low), "") << option.name;
        EXPECT_EQ(set_option(options, option.name, high), "") << option.name;
        EXPECT_NE(set_option(options, option.name, "-1"), "") << option.name;
        EXPECT_NE(set_option(options, option.name, "9" + std::string(high)), "") << option.name;
    }
    Options options;
    EXPECT_EQ(set_option(options, "pool_size", "0"), "bad value: pool_size = 0, expected 1 to 1000");
    EXPECT_EQ(set_option(options, "pool_size", "1001"), "bad value: pool_size = 1001, expected 1 to 1000");
    EXPECT_NE(set_option(options, "connect_timeout", "9ms"), "");
    EXPECT_EQ(options.pool_size, 8);
}

TEST(Options, Durations) {
    const std::pair<const char*, std::chrono::milliseconds> rows[] = {
        {"7", 7s}, {"7s", 7s}, {"500ms", 500ms}, {"2m", 2min}, {"1h", 1h}, {" 3S ", 3s}, {"10MS", 10ms}};
    for (const auto& [text, value] : rows) {
        Options options;
        EXPECT_EQ(set_option(options, "lookup_timeout", text), "") << text;
        EXPECT_EQ(options.lookup_timeout, value) << text;
    }
    for (const char* bad : {"", "s", "1x", "1 s", "1.5s", "-1s", "0x1", "1s2", "99999999999999999999",
                            "9223372036854775807w"}) {
        Options options;
        EXPECT_THAT(set_option(options, "lookup_timeout", bad), HasSubstr("expected a time from 10ms to 1h"))
            << bad;
        EXPECT_EQ(options.lookup_timeout, 10s) << bad;
    }
}

TEST(Options, Sizes) {
    const std::pair<const char*, std::size_t> rows[] = {
        {"4096", 4096}, {"64K", 65536}, {"20m", 20 << 20}, {" 1G ", 1 << 30}, {"5000", 5000}};
    for (const auto& [text, value] : rows) {
        Options options;
        EXPECT_EQ(set_option(options, "answer_size_limit", text), "") << text;
        EXPECT_EQ(options.answer_size_limit, value) << text;
    }
    for (const char* bad : {"", "K", "1 M", "1.5M", "-1M", "0", "4095", "2G", "16MB", "16MiB", "M16",
                            "17179869184G", "99999999999999999999"}) {
        Options options;
        EXPECT_THAT(set_option(options, "answer_size_limit", bad),
                    HasSubstr("expected a size from 4K to 1G, such as 16M"))
            << bad;
        EXPECT_EQ(options.answer_size_limit, 16U << 20) << bad;
    }
    Options options;
    options.answer_size_limit = 3 << 20;
    EXPECT_EQ(option_text(options, "answer_size_limit"), "3M");
    options.answer_size_limit = 1536;
    EXPECT_EQ(option_text(options, "answer_size_limit"), "1536");
}

TEST(Options, OtherTypes) {
    Options options;
    EXPECT_EQ(set_option(options, "prepared_statements", "NO"), "");
    EXPECT_FALSE(options.prepared_statements);
    EXPECT_THAT(set_option(options, "prepared_statements", "maybe"), HasSubstr("expected yes or no"));
    EXPECT_EQ(set_option(options, "postfix_greeting", "no"), "");
    EXPECT_EQ(options.postfix_greeting, YesNoAuto::no);
    EXPECT_EQ(set_option(options, "postfix_greeting", "Yes"), "");
    EXPECT_EQ(options.postfix_greeting, YesNoAuto::yes);
    EXPECT_EQ(set_option(options, "postfix_greeting", "auto"), "");
    EXPECT_EQ(options.postfix_greeting, YesNoAuto::automatic);
    EXPECT_THAT(set_option(options, "postfix_greeting", ""), HasSubstr("expected yes, no or auto"));
    EXPECT_EQ(set_option(options, "allowed_tables", "pgsql:/x, inline:{ a=b, c=d }"), "");
    EXPECT_THAT(options.allowed_tables, ElementsAre("pgsql:/x", "inline:{ a=b, c=d }"));
    EXPECT_EQ(option_text(options, "allowed_tables"), "pgsql:/x, inline:{ a=b, c=d }");
    EXPECT_NE(set_option(options, "pool_size", "8x"), "");
    EXPECT_NE(set_option(options, "pool_size", ""), "");
}

TEST(Options, TextsAreAsInAFile) {
    Options options;
    options.connect_timeout = 1500ms;
    options.idle_interval = 2h;
    options.drain_timeout = 0ms;
    EXPECT_EQ(option_text(options, "connect_timeout"), "1500ms");
    EXPECT_EQ(option_text(options, "idle_interval"), "7200s");
    EXPECT_EQ(option_text(options, "drain_timeout"), "0");
    EXPECT_EQ(option_text(options, "unknown"), "");
}

TEST(Options, FileIsAppliedAndItsFaultsAreSaid) {
    Options options;
    const config::ParameterFile file = config::parse_parameters(
        "pool_size = 4\npool_sice = 5\nno such thing\nlookup_timeout = never\nzzzzzz = 1\n", "proxyd.cf");
    std::map<int, std::string> faults;
    for (const config::Problem& problem : apply(options, file)) faults[problem.line] = problem.message;
    EXPECT_EQ(options.pool_size, 4);
    EXPECT_EQ(faults.size(), 4U);
    EXPECT_EQ(faults[2], "unknown option \"pool_sice\", did you mean \"pool_size\"?");
    EXPECT_THAT(faults[3], HasSubstr("missing '='"));
    EXPECT_EQ(faults[4], "bad value: lookup_timeout = never, expected a time from 10ms to 1h, such as 30s");
    EXPECT_EQ(faults[5], "unknown option \"zzzzzz\"");
}

TEST(OptionsManual, HasAnEntryForEachOption) {
    const std::string page = options_as_mdoc();
    for (const OptionInfo& option : option_infos()) {
        EXPECT_THAT(page, HasSubstr(".It Sy " + std::string(option.name) + " No = ")) << option.name;
    }
    EXPECT_THAT(page, HasSubstr(".It Sy pool_size No = 8\nMaximum number of connections"));
    EXPECT_THAT(page, HasSubstr("Values: 1 to 1000.\nCan also be set in a table file, for that table.\n"));
}

}  // namespace
}  // namespace proxyd
