// Tables that somebody asks for: approved, of a known type, and with a server that answers for them.
#include "proxyd/control/check/table_use_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::control {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

TableUse use(const std::string& table, int line, bool certain = true) {
    return {table, "alias_maps", "/p/main.cf", line, certain};
}

// A Postfix in /p, whose files are those that the test gives.
class TableUseCheckTest : public testing::Test {
  protected:
    TableUseCheckTest() {
        place.directory = "/p";
        place.options_path = "/p/proxyd.cf";
        place.has_main_cf = true;
        approve("");
        master_cf("proxymap unix - - n - 1 proxyd\nproxymap-stock unix - - n - - proxymap -n proxymap\n");
    }

    // The values of proxy_read_maps (on line 7) and proxy_write_maps.
    void approve(const std::string& read, const std::string& write = "") {
        postfix.main_cf.parameters["proxy_read_maps"] = {read, 7};
        postfix.main_cf.parameters["proxy_write_maps"] = {write, 8};
        site.main_cf = std::make_shared<postfix::MainCf>(
            postfix.main_cf, postfix::ParameterValues{{"mail_version", "3.7.11"}, {"queue_directory", "/q"}},
            postfix::Overrides{});
        site.approved = postfix::ApprovedTables::from_main_cf(
            *site.main_cf, postfix::Access::read,
            [](const std::string&, std::string&) { return std::optional<std::string>(); });
    }
    void master_cf(const std::string& text) {
        postfix.master_cf = text;
        postfix.services = read_services(text);
    }

    template <typename Work>
    std::vector<std::string> findings(Work work) {
        Findings found;
        TableUseCheck check({place, postfix, site, relay_service, {"hash", "pcre"}}, found);
        work(check);
        std::vector<std::string> lines;
        for (const auto& finding : found.all()) lines.push_back(format(finding));
        return lines;
    }
    std::vector<std::string> of_uses(const std::vector<TableUse>& uses) {
        return findings([&](auto& check) { check.check_uses(by_table(uses)); });
    }
    std::vector<std::string> of_domain_tables(const std::vector<TableUse>& uses) {
        return findings([&](auto& check) { check.check_domain_tables(by_table(uses)); });
    }
    std::vector<std::string> of_relay(const std::string& table, const std::vector<TableUse>& uses) {
        return findings([&](auto& check) { check.check_relay(table, uses); });
    }

    ConfigLocation place;
    PostfixConfig postfix{"/p"};
    Site site;
    std::optional<OptionPlace> relay_service;
};

TEST_F(TableUseCheckTest, EachPlaceThatAsksForATableThatIsNotApproved) {
    approve("proxy:pgsql:/a", "proxy:pgsql:/b");
    EXPECT_THAT(of_uses({use("pgsql:/a", 1), use("pgsql:/b", 2)}), IsEmpty());
    EXPECT_THAT(
        of_uses({use("pgsql:/c", 1), use("pgsql:/c", 2, false)}),
        ElementsAre(
            AllOf(HasSubstr("main.cf:1: error: alias_maps asks for proxy:pgsql:/c, which is not in "
                            "proxy_read_maps: append it with: postconf -c /p -e "),
                  EndsWith(" proxy:pgsql:/c\"")),
            AllOf(HasSubstr("main.cf:2: warning: "), EndsWith(", if something uses this parameter"))));
}

TEST_F(TableUseCheckTest, ATypeThatNoServerKnowsIsReportedOnce) {
    approve("proxy:pgsq:/a proxy:hash:/b proxy:pcer:/c");
    EXPECT_THAT(of_uses({use("pgsq:/a", 1), use("hash:/b", 2)}),
                ElementsAre(AllOf(HasSubstr("main.cf:1: error: alias_maps asks for proxy:pgsq:/a: neither"),
                                  EndsWith(", did you mean \"pgsql\"?")),
                            AllOf(HasSubstr("main.cf:7: error: proxy:pcer:/c: neither"),
                                  EndsWith(", did you mean \"pcre\"?"))));
    master_cf("proxymap unix - - n - 1 proxyd\n");
    EXPECT_THAT(findings([](auto& check) {
                    check.check_uses(by_table({use("pgsq:/a", 1)}));
                    check.check_relay("pgsq:/a", {use("pgsq:/a", 1)});
                    check.check_relay("hash:/b", {});
                }),
                ElementsAre(HasSubstr("pgsq:/a"), HasSubstr("pcer:/c"),
                            HasSubstr("main.cf:7: error: proxyd does not serve hash: tables itself")));
}

TEST_F(TableUseCheckTest, TheStockServerHasToBeInMasterCf) {
    EXPECT_THAT(of_relay("hash:/b", {use("hash:/b", 1)}), IsEmpty());
    master_cf("proxymap unix - - n - 1 proxyd\n");
    EXPECT_THAT(
        of_relay("hash:/b", {use("hash:/b", 1)}),
        ElementsAre(AllOf(HasSubstr("main.cf:1: error: proxyd does not serve hash: tables itself, and "
                                    "the stock server that answers for it is not in master.cf"),
                          HasSubstr("add \"proxymap-stock unix - - n - - proxymap -n proxymap\""))));
    master_cf("proxymap unix - - n - - proxymap\n");
    EXPECT_THAT(of_relay("hash:/b", {use("hash:/b", 1)}), IsEmpty()) << "it is asked itself";
}

TEST_F(TableUseCheckTest, ARelayServiceThatMasterCfDoesNotHave) {
    site.options.relay_service = "stok";
    relay_service = OptionPlace{"/p/proxyd.cf", 3};
    EXPECT_THAT(
        of_relay("hash:/b", {}),
        ElementsAre("/p/proxyd.cf:3: error: relay_service = stok: master.cf has no such service, so "
                    "that lookups in tables of other types fail: write proxymap-stock, which it has"));
    site.options.relay_service = "/q/private/proxymap";
    EXPECT_THAT(of_relay("hash:/b", {}), ElementsAre(HasSubstr("this is proxyd itself")));
    site.options.relay_service = "/q/private/other";
    EXPECT_THAT(of_relay("hash:/b", {}), IsEmpty());
    site.options.relay_service = "";
    EXPECT_THAT(of_relay("hash:/b", {}),
                ElementsAre(EndsWith("and relay_service is empty: lookups in hash:/b fail")));
}

TEST_F(TableUseCheckTest, TablesOfDomainListsNeedApprovalAndTheStockServer) {
    approve("proxy:hash:/b");
    master_cf("proxymap unix - - n - 1 proxyd\n");
    EXPECT_THAT(of_domain_tables({use("pgsq:/a", 1), use("hash:/b", 2), use("hash:/c", 3)}),
                ElementsAre(HasSubstr("main.cf:1: error: alias_maps asks for proxy:pgsq:/a: neither"),
                            HasSubstr("main.cf:3: error: alias_maps asks for proxy:hash:/c, which is not in"),
                            HasSubstr("main.cf:2: error: proxyd does not serve hash: tables itself"),
                            HasSubstr("main.cf:3: error: proxyd does not serve hash: tables itself")));
}

TEST_F(TableUseCheckTest, AStandAloneDaemonNeedsTheSocketOfAStockServer) {
    place.has_main_cf = false;
    site.main_cf = nullptr;
    site.approved = postfix::ApprovedTables::from_names({"hash:/b"});
    EXPECT_THAT(
        of_domain_tables({use("hash:/b", 2)}),
        ElementsAre(AllOf(HasSubstr("/p/proxyd.cf: error: "), HasSubstr("take it out of allowed_tables")),
                    AllOf(HasSubstr("main.cf:2: error: "),
                          HasSubstr("take it off the list in alias_maps, or give relay_service"))));
    site.options.relay_service = "/run/stock";
    EXPECT_THAT(of_domain_tables({use("hash:/b", 2)}), IsEmpty());
}

}  // namespace
}  // namespace proxyd::control
