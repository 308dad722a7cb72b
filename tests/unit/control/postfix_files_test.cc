// Parsing main.cf and master.cf: services, their options, and the tables that Postfix asks for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxyd/control/check/service_check.h"
#include "proxyd/control/postfix/master_cf.h"
#include "proxyd/control/postfix/table_uses.h"

namespace proxyd::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The name that the stock server gives itself when master(8) starts it with these arguments.
std::optional<std::string> stock_name(const std::string& arguments) {
    return stock_name_of(read_services("proxymap-stock unix - - n - - proxymap " + arguments).at(0));
}

TEST(RelayEntry, AnswersUnderTheNameThatItIsGiven) {
    EXPECT_EQ(stock_name("-n proxymap"), "proxymap");
    EXPECT_EQ(stock_name("-nproxymap -v -o { a = b c }"), "proxymap");
    EXPECT_EQ(stock_name("-o a=b -n proxywrite"), "proxywrite");
    EXPECT_EQ(stock_name(""), std::nullopt);
    EXPECT_EQ(stock_name("-o {-n proxymap=x}"), std::nullopt);
    // `postconf -P` leaves the first two like this.
    EXPECT_EQ(stock_name("-n -o a=b proxymap"), std::nullopt);
    EXPECT_EQ(stock_name("-npr -o xymap -o a=b"), std::nullopt);
}

TEST(MasterCf, ServicesAndTheirOverrides) {
    const auto services = read_services(
        "# comment\n"
        "smtp inet n - y - - smtpd\n"
        "  -o a=b -v -ox=y\n"
        "proxymap unix - - n - 1 proxyd -o { pool_size = 4 } -o c = d\n"
        "broken line\n");
    ASSERT_EQ(services.size(), 2U);
    EXPECT_EQ(services[0].name, "smtp");
    EXPECT_EQ(services[0].line, 2);
    EXPECT_EQ(services[0].chroot, "y");
    EXPECT_THAT(services[0].overrides, ElementsAre(std::pair("a", "b"), std::pair("x", "y")));
    EXPECT_EQ(services[1].command, "proxyd");
    EXPECT_THAT(services[1].overrides, ElementsAre(std::pair("pool_size", "4")));
    EXPECT_THAT(services[1].arguments, ElementsAre("-o", "{ pool_size = 4 }", "-o", "c", "=", "d"));
}

TEST(MasterCf, OptionsMayBeJoined) {
    const auto services = read_services("smtp inet n - y - - smtpd -vo a=b -vvoc=d -v -no -u e=f -vs\n");
    ASSERT_EQ(services.size(), 1U);
    EXPECT_THAT(services[0].overrides, ElementsAre(std::pair("a", "b"), std::pair("c", "d")));
}

TEST(MasterCf, OptionsAreFoundOnLinesThatContinueTheEntry) {
    constexpr std::string_view text =
        "proxymap unix - - n - 1 proxyd -o a=1\n"
        "# -o b=2\n"
        "\n"
        "  -o b = 3 -o c=4\n"
        "other unix - - n - 1 proxyd -o d=5\n";
    EXPECT_EQ(line_of_option(text, 1, "a"), 1);
    EXPECT_EQ(line_of_option(text, 1, "b"), 4);
    EXPECT_EQ(line_of_option(text, 1, "c"), 4);
    EXPECT_EQ(line_of_option(text, 1, "d"), 1);
}

TEST(Table, ThatNobodyCanServe) {
    EXPECT_EQ(fault_of_table("pgsq:/x", {"hash"}),
              "Neither proxyd nor the stock server knows the table type \"pgsq\", did you mean \"pgsql\"?");
    EXPECT_EQ(fault_of_table("pgsq:/x", {}), "");
    EXPECT_EQ(fault_of_table("pgsql:/none/x.cf", {"hash"}), "There is no file /none/x.cf");
    EXPECT_EQ(fault_of_table("hash:/none/x", {"hash"}), "");
    EXPECT_EQ(fault_of_table("sqlite:/dev/null", {}), "");
}

std::vector<std::string> uses(const std::string& main_cf, const std::string& master_cf = "") {
    const auto file = config::parse_parameters(main_cf, "main.cf");
    const postfix::MainCf parameters(file,
                                     {{"mail_version", "3.7.11"},
                                      {"smtpd_data_restrictions", ""},
                                      {"virtual_alias_maps", ""},
                                      {"smtpd_restriction_classes", ""},
                                      {"local_recipient_maps", "proxy:unix:passwd.byname $alias_maps"}},
                                     {});
    std::vector<std::string> lines;
    for (const auto& use : find_table_uses(parameters, file, "master.cf", read_services(master_cf))) {
        lines.push_back(use.file + ":" + std::to_string(use.line) + " " + use.parameter + " " + use.table +
                        (use.certain ? "" : " ?"));
    }
    return lines;
}

TEST(ProxiedTables, AreFoundWhereverTheyAreAskedFor) {
    const std::string no_users = "local_recipient_maps =\n";
    const std::string default_users = "main.cf:0 local_recipient_maps unix:passwd.byname";
    EXPECT_THAT(uses(""), ElementsAre(default_users));
    EXPECT_THAT(
        uses(no_users + "virtual_alias_maps = proxy:pgsql:/a, hash:/b proxy:proxy:sqlite:/c\n"),
        ElementsAre("main.cf:2 virtual_alias_maps pgsql:/a", "main.cf:2 virtual_alias_maps sqlite:/c"));
    EXPECT_THAT(uses(no_users + "proxy_read_maps = proxy:pgsql:/a\nproxy_write_maps = proxy:pgsql:/b\n"),
                IsEmpty());
    EXPECT_THAT(
        uses(no_users + "smtpd_data_restrictions = check_sender_access { proxy:pgsql:/a, search_order=x }\n"),
        ElementsAre("main.cf:2 smtpd_data_restrictions pgsql:/a"));
    EXPECT_THAT(uses(no_users + "virtual_alias_maps = unionmap:{ proxy:pgsql:/a, proxy:pgsql:/b }\n").size(),
                2U);
}

TEST(ProxiedTables, OwnParametersAreUncertainUnlessTheyAreUsed) {
    const std::string no_users = "local_recipient_maps =\n";
    EXPECT_THAT(uses(no_users + "mine = proxy:pgsql:/a\n"), ElementsAre("main.cf:2 mine pgsql:/a ?"));
    EXPECT_THAT(uses(no_users + "smtpd_restriction_classes = mine\nmine = check_x proxy:pgsql:/a\n"),
                ElementsAre("main.cf:3 mine pgsql:/a"));
    EXPECT_THAT(uses(no_users + "mine = proxy:pgsql:/a\nvirtual_alias_maps = $mine\n"),
                ElementsAre("main.cf:2 mine pgsql:/a ?", "main.cf:3 virtual_alias_maps pgsql:/a"));
}

TEST(ProxiedTables, OptionsOfServicesCount) {
    EXPECT_THAT(uses("local_recipient_maps =\nmine = proxy:pgsql:/a\n",
                     "smtp inet n - n - - smtpd\n -o smtpd_data_restrictions=check_x,$mine\n"),
                ElementsAre("main.cf:2 mine pgsql:/a ?", "master.cf:1 smtpd_data_restrictions pgsql:/a"));
}

// Parameters and tables that `find` returns for a main.cf.
template <typename Find>
std::vector<std::string> found_in(const std::string& main_cf, Find&& find) {
    const auto file = config::parse_parameters(main_cf, "main.cf");
    const postfix::MainCf parameters(
        file, {{"mail_version", "3.7.11"}, {"virtual_alias_maps", ""}, {"local_recipient_maps", ""}}, {});
    std::vector<std::string> found;
    for (const auto& use : find(parameters, file)) found.push_back(use.parameter + " " + use.table);
    return found;
}

TEST(ProxiedTables, ThoseWithoutProxyAreFoundOfTheGivenTypes) {
    const auto found = found_in(
        "virtual_alias_maps = pgsql:/a proxy:pgsql:/b hash:/c unionmap:{mysql:/d, proxy:mysql:/e} $mine\n"
        "mine = pgsql:/f\n",
        [](const auto& parameters, const auto& file) {
            return find_direct_uses(parameters, file, "master.cf", {}, {"pgsql", "mysql"});
        });
    EXPECT_THAT(found, ElementsAre("virtual_alias_maps pgsql:/a", "virtual_alias_maps mysql:/d",
                                   "virtual_alias_maps pgsql:/f"));
}

TEST(ProxiedTables, ThoseWithoutATypeAreFound) {
    const auto found = found_in(
        "virtual_alias_maps = proxy:/a.cf proxy:hash:/b /c hash:/d unionmap:{proxy:/e, proxy:pgsql:/f} "
        "proxy:g\n"
        "mine = proxy:/h\n",
        [](const auto& parameters, const auto& file) {
            return find_typeless_uses(parameters, file, "master.cf", {});
        });
    EXPECT_THAT(found, ElementsAre("virtual_alias_maps /a.cf", "virtual_alias_maps /e"));
}

TEST(ProxiedTables, BrokenExpressionHurtsNobodyElse) {
    EXPECT_THAT(uses("local_recipient_maps =\nmine = ${ proxy:pgsql:/a\nother = proxy:pgsql:/b\n"),
                ElementsAre("main.cf:3 other pgsql:/b ?"));
}

}  // namespace
}  // namespace proxyd::control
