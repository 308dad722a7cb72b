#include "proxyd/config/unread_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> unread(const postfix::Overrides& overrides, const std::string& main_cf = "") {
    const postfix::MainCf parameters(config::parse_parameters(main_cf, "main.cf"), {{"myhostname", ""}},
                                     overrides);
    const auto approved = postfix::ApprovedTables::from_names({"pgsql:aliases", "pgsql:/etc/x.cf"});
    return unread_options(overrides, &parameters, approved);
}

TEST(UnreadOptions, AreNamedWithASuggestion) {
    EXPECT_THAT(
        unread({{"pool_sise", "1"}, {"zzzzzz", "1"}}),
        ElementsAre(
            "-o pool_sise is ignored: neither proxyd nor Postfix has a parameter of this name, did you "
            "mean \"pool_size\"?",
            "-o zzzzzz is ignored: neither proxyd nor Postfix has a parameter of this name"));
    EXPECT_THAT(unread({{"proxy_read_map", "1"}}), ElementsAre(HasSubstr("mean \"proxy_read_maps\"?")));
}

TEST(UnreadOptions, ThoseOfProxydAndPostfixAreRead) {
    EXPECT_THAT(unread({{"pool_size", "1"}, {"myhostname", "x"}}), IsEmpty());
}

TEST(UnreadOptions, OthersMayBeReadByAValue) {
    for (const char* value : {"$mine", "a ${mine} b", "$(mine)", "${mine?x}", "$mine2 $mine"}) {
        EXPECT_THAT(unread({{"mine", "1"}}, std::string("other = ") + value + "\n"), IsEmpty()) << value;
        EXPECT_THAT(unread({{"mine", "1"}, {"myhostname", value}}), IsEmpty()) << value;
    }
    for (const char* value : {"mine", "$mine2", "${mine_2}", "$xmine"}) {
        EXPECT_THAT(unread({{"mine", "1"}}, std::string("other = ") + value + "\n").size(), 1U) << value;
    }
}

TEST(UnreadOptions, TablesInMainCfReadTheirs) {
    EXPECT_THAT(unread({{"aliases_query", "SELECT 1"}, {"aliases_hosts", "h"}}), IsEmpty());
    EXPECT_THAT(unread({{"aliasesx", "1"}}).size(), 1U);
}

TEST(UnreadOptions, ValuesAreNotShown) {
    EXPECT_THAT(unread({{"alias_password", "secret"}}), ElementsAre(Not(HasSubstr("secret"))));
}

TEST(UnreadOptions, WithoutPostfixOnlyThoseOfProxydAreRead) {
    EXPECT_THAT(unread_options({{"pool_size", "1"}, {"myhostname", "x"}}, nullptr, {}),
                ElementsAre("-o myhostname is ignored: proxyd has no option of this name"));
}

}  // namespace
}  // namespace proxyd
