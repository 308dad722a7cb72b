#include "proxyd/postfix/approved_tables.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::postfix {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::map<std::string, std::string> files = {
    {"/list", "# tables\nproxy:fail:x,\n  # more\n  /other\n\nproxy:fail:$v\n"},
    {"/other", "{proxy:fail:y, search_order = domain} unionmap:{proxy:fail:z}\n"},
    {"/circle", "proxy:fail:c /circle2\n"},
    {"/circle2", "proxy:fail:d /circle\n"},
    {"/indented", "  proxy:fail:i\nproxy:fail:j\n"},
};

std::optional<std::string> read_fake(const std::string& path, std::string& error) {
    const auto found = files.find(path);
    if (found != files.end()) return found->second;
    error = "open " + path + ": No such file or directory";
    return std::nullopt;
}

ApprovedTables approve(std::string_view value, const char* version = "3.7.11") {
    return ApprovedTables::from_value(value, token_rules(*parse_version(version)), read_fake);
}

struct Row {
    std::string value;
    std::string table;  // as requested, without proxy: in front
    bool approved;
    std::size_t warnings = 0;
};

const Row rows[] = {
    {"proxy:fail:a", "fail:a", true},
    {"proxy:proxy:fail:a", "fail:a", true},
    {"proxy:proxy:fail:a", "proxy:fail:a", false},
    {"fail:a", "fail:a", false},
    {"proxy:fail:a;proxy:fail:b", "fail:a", false},
    {"proxy:fail:a;proxy:fail:b", "fail:a;proxy:fail:b", true},
    {"proxy:fail:a,proxy:fail:b\tproxy:fail:c\r\nproxy:fail:d", "fail:c", true},
    {"proxy:fail:a,proxy:fail:b\tproxy:fail:c\r\nproxy:fail:d", "fail:d", true},
    {"{proxy:fail:a, x=y}", "fail:a", true},
    {"{ proxy:fail:a }", "fail:a", true},
    {"{x=y, proxy:fail:a}", "fail:a", false},
    {"{proxy:fail:a", "fail:a", false, 1},
    {"{proxy:fail:a}x", "fail:a", false, 1},
    {"{}", "", false},
    {"{ , } proxy:fail:a", "fail:a", true},
    {"check_recipient_access proxy:fail:a, permit", "fail:a", true},
    {"check_recipient_access {proxy:fail:a,search_order=domain}", "fail:a", true},
    {"unionmap:{proxy:fail:a, proxy:fail:b}", "fail:a", true},
    {"unionmap:{proxy:fail:a, proxy:fail:b}", "fail:b", true},
    {"unionmap:{ proxy:fail:a }", "unionmap:{ proxy:fail:a }", false},
    {"unionmap:proxy:fail:a", "fail:a", false},
    {"unionmap:{proxy:fail:a", "fail:a", false, 1},
    {"unionmap:{proxy:fail:a}x", "fail:a", false, 1},
    {"{unionmap:{proxy:fail:a, proxy:fail:b}, search_order=domain}", "fail:b", true},
    {"proxy:unionmap:{ proxy:fail:a }", "unionmap:{ proxy:fail:a }", true},
    {"proxy:unionmap:{ proxy:fail:a }", "fail:a", false},
    {"proxy:unionmap:{ fail:a }", "unionmap:{fail:a}", false},
    {"pipemap:{unionmap:{proxy:fail:a},fail:c}", "fail:a", true},
    {"pipemap:{unionmap:{proxy:fail:a},fail:c}", "fail:c", false},
    {"!proxy:fail:a", "fail:a", false},
    {"proxy:inline:{ a=b, c=d }", "inline:{ a=b, c=d }", true},
    {"proxy:inline:{ a=b, c=d }", "inline:{a=b, c=d}", false},
    {"proxy:fail:a#c", "fail:a#c", true},
    {"# proxy:fail:a", "fail:a", true},
    {"proxy:FAIL:a", "fail:a", false},
    {"PROXY:fail:a", "fail:a", false},
    {"proxy:pgsql:/etc//x.cf", "pgsql:/etc/x.cf", false},
    {"proxy:fail:a}", "fail:a}", true},
    {"proxy:fail:a proxy:fail:a", "fail:a", true},
    {"", "fail:a", false},
    {"proxy:", "", false},
    {"proxy:fail", "fail", false},
    {"[::1] !x permit proxy:fail:a", "fail:a", true},
};

TEST(ApprovedTables, AreTheProxyEntriesOfTheValue) {
    for (const char* version : {"3.7.11", "3.12-20251010"}) {
        for (const Row& row : rows) {
            SCOPED_TRACE(std::string(version) + ": " + row.value + " -> " + row.table);
            const ApprovedTables approved = approve(row.value, version);
            EXPECT_EQ(approved.contains(row.table), row.approved);
            EXPECT_THAT(approved.warnings(), SizeIs(row.warnings));
        }
    }
}

TEST(ApprovedTables, AreCompletelyListed) {
    EXPECT_THAT(approve("proxy:b:1 proxy:a:1, x:1 unionmap:{proxy:c:1}").tables(),
                ElementsAre("a:1", "b:1", "c:1"));
    EXPECT_THAT(approve("").tables(), IsEmpty());
}

TEST(ApprovedTables, BracesCountSince3_5) {
    EXPECT_FALSE(approve("{proxy:fail:a, x=y}", "3.4.29").contains("fail:a"));
    EXPECT_TRUE(approve("{proxy:fail:a, x=y}", "3.5.0").contains("fail:a"));
}

TEST(ApprovedTables, NestedMapsCountSinceLatePatchLevels) {
    const std::map<std::string, bool> versions = {
        {"3.3.22", false}, {"3.4.28", false}, {"3.4.29", true}, {"3.5.13", false}, {"3.5.14", true},
        {"3.6.3", false},  {"3.6.4", true},   {"3.7.0", true},  {"3.10.4", true},  {"3.11.0", true},
    };
    for (const auto& [version, counts] : versions) {
        EXPECT_EQ(approve("unionmap:{proxy:fail:a}", version.c_str()).contains("fail:a"), counts) << version;
    }
}

TEST(ApprovedTables, FilesCountSince3_11) {
    EXPECT_THAT(approve("/list", "3.10.4").tables(), IsEmpty());
    EXPECT_THAT(approve("/list", "3.11.0").tables(), ElementsAre("fail:$v", "fail:x", "fail:y", "fail:z"));
    EXPECT_THAT(approve("unionmap:{/other}", "3.11.0").tables(), ElementsAre("fail:y", "fail:z"));
    EXPECT_THAT(approve("{/other, x=y}", "3.11.0").tables(), ElementsAre("fail:y", "fail:z"));
}

TEST(ApprovedTables, FilesThatNameEachOtherAreReadOnce) {
    EXPECT_THAT(approve("/circle /circle2 /circle", "3.11.0").tables(), ElementsAre("fail:c", "fail:d"));
}

TEST(ApprovedTables, UnreadableFileIsSkippedWithAWarning) {
    const ApprovedTables approved = approve("/missing, proxy:fail:a", "3.11.0");
    EXPECT_THAT(approved.tables(), ElementsAre("fail:a"));
    EXPECT_THAT(approved.warnings(), ElementsAre("open /missing: No such file or directory"));
    EXPECT_THAT(approve("/indented", "3.11.0").tables(), ElementsAre("fail:j"));
    EXPECT_THAT(approve("/indented", "3.11.0").warnings(), ElementsAre(HasSubstr("/indented, line 1: ")));
}

MainCf main_cf(const std::string& text, const Overrides& overrides = {},
               const std::string& version = "3.7.11") {
    return {config::parse_parameters(text, "main.cf"),
            {{"mail_version", version},
             {"compatibility_level", "0"},
             {"alias_maps", "hash:/etc/aliases"},
             {"local_recipient_maps", "proxy:unix:passwd.byname $alias_maps"},
             {"virtual_alias_maps", "$virtual_maps"},
             {"proxy_read_maps", "$local_recipient_maps $virtual_alias_maps $smtpd_sender_restrictions"},
             {"proxy_write_maps", "$address_verify_map"}},
            overrides};
}

using Names = std::set<std::string, std::less<>>;

Names readable(const MainCf& parameters) {
    return ApprovedTables::from_main_cf(parameters, Access::read, read_fake).tables();
}

TEST(ApprovedTables, FollowTheEffectiveParameters) {
    EXPECT_EQ(readable(main_cf("")), Names{"unix:passwd.byname"});
    EXPECT_EQ(readable(main_cf("virtual_alias_maps = proxy:pgsql:/x\n")),
              (Names{"pgsql:/x", "unix:passwd.byname"}));
    EXPECT_EQ(readable(main_cf("smtpd_data_restrictions = check_client_access proxy:pgsql:/x\n")),
              Names{"unix:passwd.byname"});
    EXPECT_EQ(readable(main_cf("proxy_read_maps =\n")), Names{});
    EXPECT_EQ(readable(main_cf("", {{"proxy_read_maps", "proxy:static:z"}})), Names{"static:z"});
    EXPECT_EQ(
        readable(main_cf("foo = proxy:static:m\nproxy_read_maps = $foo\n", {{"foo", "proxy:static:a"}})),
        Names{"static:a"});
}

struct ExpansionRow {
    std::string value;
    Names tables;
};

TEST(ApprovedTables, ExpressionsAreExpandedFirst) {
    const ExpansionRow expansions[] = {
        {"$foo", {"static:a"}},
        {"${foo}", {"static:a"}},
        {"$(foo)", {"static:a"}},
        {"${nope?{proxy:static:q}:{proxy:static:r}}", {"static:r"}},
        {"${{$x} == {1} ? {proxy:static:q} : {}}", {"static:q"}},
        {"${{$compatibility_level} <level {3.6} ? {proxy:static:old} : {proxy:static:new}}", {"static:new"}},
        {"{ $foo }", {"static:a"}},
        {"proxy:inline:{ a=$x }", {"inline:{ a=1 }"}},
    };
    for (const ExpansionRow& row : expansions) {
        const std::string text =
            "foo = proxy:static:a\nx = 1\ncompatibility_level = 3.7\nproxy_read_maps = " + row.value;
        EXPECT_EQ(readable(main_cf(text)), row.tables) << row.value;
    }
}

TEST(ApprovedTables, ReadingAndWritingAreSeparate) {
    const MainCf parameters =
        main_cf("virtual_alias_maps = proxy:pgsql:/r\naddress_verify_map = proxy:pgsql:/w\n");
    EXPECT_EQ(readable(parameters), (Names{"pgsql:/r", "unix:passwd.byname"}));
    EXPECT_EQ(ApprovedTables::from_main_cf(parameters, Access::write, read_fake).tables(), Names{"pgsql:/w"});
}

TEST(ApprovedTables, RestrictionClassesCountSince3_11ForReading) {
    const std::string text =
        "smtpd_restriction_classes = strict, undefined alias_maps\n"
        "strict = check_sender_access proxy:pgsql:$name\nname = /s\n";
    EXPECT_EQ(readable(main_cf(text, {}, "3.10.4")), Names{"unix:passwd.byname"});
    EXPECT_EQ(readable(main_cf(text, {}, "3.11.0")), (Names{"pgsql:/s", "unix:passwd.byname"}));
    const MainCf parameters = main_cf(text, {{"address_verify_map", "proxy:fail:w"}}, "3.11.0");
    EXPECT_EQ(ApprovedTables::from_main_cf(parameters, Access::write, read_fake).tables(), Names{"fail:w"});
}

TEST(ApprovedTables, OneBrokenParameterLeavesTheOthers) {
    const ApprovedTables approved = ApprovedTables::from_main_cf(
        main_cf("virtual_alias_maps = proxy:fail:v ${\n"), Access::read, read_fake);
    EXPECT_EQ(approved.tables(), (Names{"fail:v", "unix:passwd.byname"}));
    EXPECT_THAT(approved.warnings(), ElementsAre(HasSubstr("proxy_read_maps: bad '$' expression")));
}

// Postfix 3.11 has functions in the default of a parameter that the default of proxy_read_maps uses.
TEST(ApprovedTables, NamesWithFunctions) {
    EXPECT_EQ(readable(main_cf(
                  "virtual_alias_maps = proxy:pgsql:/${domain_to_ascii{$d}}.cf\nd = bücher.example\n")),
              (Names{"pgsql:/xn--bcher-kva.example.cf", "unix:passwd.byname"}));
}

TEST(ApprovedTables, AFunctionThatIsNotKnownCostsItsOwnPart) {
    const ApprovedTables approved = ApprovedTables::from_main_cf(
        main_cf("virtual_alias_maps = proxy:pgsql:/a inline:{{${future{x}}=y}}, proxy:pgsql:/b\n"),
        Access::read, read_fake);
    EXPECT_EQ(approved.tables(), (Names{"pgsql:/a", "pgsql:/b", "unix:passwd.byname"}));
    ASSERT_THAT(approved.warnings(), ElementsAre(HasSubstr("unknown function \"future\"")));
    EXPECT_LT(approved.warnings().front().size(), 250U);
}

TEST(ApprovedTables, CanBeGivenByName) {
    const ApprovedTables approved = ApprovedTables::from_names({"proxy:pgsql:/x", "inline:{ a=b }"});
    EXPECT_THAT(approved.tables(), ElementsAre("inline:{ a=b }", "pgsql:/x"));
}

}  // namespace
}  // namespace proxyd::postfix
