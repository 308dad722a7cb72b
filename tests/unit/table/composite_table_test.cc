// unionmap and pipemap tables: their members, and how the results are combined. The functional tests compare
// them with the stock server.
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

using Entries = std::map<std::string, LookupResult, std::less<>>;

// A member that records its keys.
class FakeTable final : public Table {
  public:
    FakeTable(std::string name, const Entries& entries, std::vector<std::string>& asked)
        : name_(std::move(name)), entries_(entries), asked_(asked) {}

    void open() override { asked_.push_back("open " + name_); }
    std::chrono::milliseconds timeout() override {
        return std::chrono::milliseconds(10 * static_cast<long>(entries_.size()));
    }
    void lookup(std::string_view key, KeyRules rules, Deadline, LookupCallback&& callback) override {
        asked_.push_back(name_ + " " + std::string(key) + (rules.fold ? " folded" : ""));
        const auto found = entries_.find(key);
        auto result = found == entries_.end() ? LookupResult{Status::nokey, ""} : found->second;
        callback(std::move(result));
    }

  private:
    std::string name_;
    const Entries& entries_;
    std::vector<std::string>& asked_;
};

class CompositeLookupTest : public testing::Test {
  protected:
    CompositeLookup make(std::string_view table) {
        const auto list = CompositeTable::parse(table);
        std::vector<Table*> found;
        for (const auto& member : list->members) {
            auto& fake = fakes[member];
            if (!fake) fake = std::make_unique<FakeTable>(member, tables[member], asked);
            found.push_back(fake.get());
        }
        return {std::string(table), list->kind, found};
    }
    LookupResult lookup(std::string_view table, std::string_view key, KeyRules rules = {}) {
        auto composite = make(table);
        std::optional<LookupResult> result;
        composite.lookup(key, rules, {}, [&](LookupResult got) { result = std::move(got); });
        return result.value();
    }

    std::map<std::string, Entries> tables = {
        {"t:a", {{"k", {Status::ok, "x,y"}}, {"c", {Status::config, ""}}, {"x", {Status::ok, "loop"}}}},
        {"t:b", {{"k", {Status::ok, "z"}}, {"x,y", {Status::ok, "end"}}, {"e", {Status::retry, ""}}}},
    };
    std::map<std::string, std::unique_ptr<FakeTable>> fakes;
    std::vector<std::string> asked;
};

TEST_F(CompositeLookupTest, AUnionJoinsWhatIsFound) {
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "k").value, "x,y,z");
    EXPECT_EQ(lookup("unionmap:{t:b,t:a}", "k").value, "z,x,y");
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "x").value, "loop");
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "nobody").status, Status::nokey);
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "e").status, Status::retry);
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "c").status, Status::config);
}

TEST_F(CompositeLookupTest, AChainAsksForWhatWasFound) {
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "k").value, "end");
    EXPECT_THAT(asked, ElementsAre("t:a k", "t:b x,y"));
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "nobody").status, Status::nokey);
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "x").status, Status::nokey);
    EXPECT_EQ(lookup("pipemap:{t:b,t:a}", "e").status, Status::retry);
}

TEST_F(CompositeLookupTest, KeysFoldAtTheTopAsTheRequestSaysAndBelowAsTheInstanceDoes) {
    EXPECT_EQ(lookup("unionmap:{t:a}", "K").status, Status::nokey);
    EXPECT_EQ(lookup("unionmap:{t:a}", "K", {false, true, false}).status, Status::nokey);
    EXPECT_EQ(lookup("unionmap:{t:a}", "K", {true, false, false}).status, Status::nokey);
    EXPECT_EQ(lookup("unionmap:{t:a}", "K", {true, true, false}).value, "x,y");
    asked.clear();
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "k", {true, false, true}).value, "end");
    EXPECT_THAT(asked, ElementsAre("t:a k folded", "t:b x,y folded"));
    EXPECT_EQ(lookup("unionmap:{t:a}", "\xff", {true, true, true}).status, Status::nokey);
}

TEST_F(CompositeLookupTest, ItIsOpenedAndTimedByItsMembers) {
    auto composite = make("unionmap:{t:a,t:b,t:none}");
    composite.open();
    EXPECT_THAT(asked, ElementsAre("open t:a", "open t:b", "open t:none"));
    EXPECT_EQ(composite.timeout(), std::chrono::milliseconds(30)) << "the longest of its members";
}

TEST_F(CompositeLookupTest, ThePartsTellWhereTheResultComesFrom) {
    tables["t:a"]["s"] = {Status::ok, "1", Source::database};
    tables["t:b"]["s"] = {Status::ok, "2", Source::stale};
    EXPECT_EQ(lookup("unionmap:{t:a,t:b}", "s").source, Source::stale);
    EXPECT_EQ(lookup("unionmap:{t:none,t:a}", "s").source, Source::database);
    EXPECT_EQ(lookup("unionmap:{t:none}", "s").source, Source::table);
    tables["t:a"]["f"] = {Status::retry, "", Source::database, pool::FailureClass::lost};
    EXPECT_EQ(lookup("unionmap:{t:b,t:a}", "f").failure, pool::FailureClass::lost);
    EXPECT_EQ(lookup("pipemap:{t:a,t:b}", "f").failure, pool::FailureClass::lost);
}

}  // namespace
}  // namespace proxyd::table
