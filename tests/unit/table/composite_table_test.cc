// unionmap and pipemap tables: which members they have, and what comes out of their results. What the stock
// server does is compared in the functional tests.
#include "backends/table/composite_table.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/table/composite_lookup.h"

namespace proxyd::table {
namespace {

using protocol::Status;
using testing::ElementsAre;

std::vector<std::string> members(std::string_view table) {
    const auto list = CompositeTable::parse(table);
    return list ? list->members : std::vector<std::string>{};
}

TEST(CompositeTable, HasMembersBetweenBraces) {
    EXPECT_THAT(members("unionmap:{a:b,c:d}"), ElementsAre("a:b", "c:d"));
    EXPECT_THAT(members("pipemap:{ a:b ,, c:d }"), ElementsAre("a:b", "c:d"));
    EXPECT_THAT(members("pipemap:{unionmap:{ a:b, c:d },inline:{ x = y }}"),
                ElementsAre("unionmap:{ a:b, c:d }", "inline:{ x = y }"));
    EXPECT_EQ(CompositeTable::parse("unionmap:{a:b}")->kind, CompositeTable::Kind::all);
    EXPECT_EQ(CompositeTable::parse("pipemap:{a:b}")->kind, CompositeTable::Kind::chain);
}

TEST(CompositeTable, IsNothingElse) {
    for (const auto* table :
         {"unionmap:", "unionmap:{}", "unionmap:{ }", "unionmap:a:b", "unionmap:{a:b", "unionmap:{a:b}x",
          "unionmap:{ab}", "unionmap:{a:b,c}", "unionmap", "randmap:{a:b}", "pgsql:/a"}) {
        EXPECT_FALSE(CompositeTable::parse(table)) << table;
    }
}

class CompositeLookup : public testing::Test {
  protected:
    LookupResult lookup(std::string_view table, std::string_view key, KeyRules rules = {}) {
        const MemberLookup ask = [this](const std::string& member, std::string_view member_key,
                                        KeyRules member_rules, Deadline, LookupCallback callback) {
            asked.push_back(member + " " + std::string(member_key) + (member_rules.fold ? " folded" : ""));
            const auto found = tables[member].find(std::string(member_key));
            callback(found == tables[member].end() ? LookupResult{Status::nokey, ""} : found->second);
        };
        std::optional<LookupResult> result;
        lookup_list(std::string(table), *CompositeTable::parse(table), ask, key, rules, {},
                    [&](LookupResult got) { result = std::move(got); });
        return result.value();
    }

    std::map<std::string, std::map<std::string, LookupResult>> tables = {
        {"t:a", {{"k", {Status::ok, "x,y"}}, {"c", {Status::config, ""}}, {"x", {Status::ok, "loop"}}}},
        {"t:b", {{"k", {Status::ok, "z"}}, {"x,y", {Status::ok, "end"}}, {"e", {Status::retry, ""}}}},
    };
    std::vector<std::string> asked;
};

TEST_F(CompositeLookup, AUnionJoinsWhatIsFound) {
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "k").value, "x,y,z");
    EXPECT_EQ(lookup("unionmap:{t:b,t:a}", "k").value, "z,x,y");
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "x").value, "loop");
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "nobody").status, Status::nokey);
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "e").status, Status::retry);
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "c").status, Status::config);
}

TEST_F(CompositeLookup, AChainAsksForWhatWasFound) {
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "k").value, "end");
    EXPECT_THAT(asked, ElementsAre("t:a k", "t:b x,y"));
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "nobody").status, Status::nokey);
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "x").status, Status::nokey);
    EXPECT_EQ(lookup("pipemap:{t:b,t:a}", "e").status, Status::retry);
}

TEST_F(CompositeLookup, KeysFoldAtTheTopAsTheRequestSaysAndBelowAsTheInstanceDoes) {
    EXPECT_EQ(lookup("unionmap:{t:a}", "K").status, Status::nokey);
    EXPECT_EQ(lookup("unionmap:{t:a}", "K", {false, true, false}).status, Status::nokey);
    EXPECT_EQ(lookup("unionmap:{t:a}", "K", {true, false, false}).status, Status::nokey);
    EXPECT_EQ(lookup("unionmap:{t:a}", "K", {true, true, false}).value, "x,y");
    asked.clear();
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "k", {true, false, true}).value, "end");
    EXPECT_THAT(asked, ElementsAre("t:a k folded", "t:b x,y folded"));
    EXPECT_EQ(lookup("unionmap:{t:a}", "\xff", {true, true, true}).status, Status::nokey);
}

}  // namespace
}  // namespace proxyd::table
