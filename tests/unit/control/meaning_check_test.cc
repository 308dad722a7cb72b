#include "proxyd/control/check/meaning_check.h"

#include <cstdio>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxyd/postfix/asked_keys.h"

namespace proxyd::control {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Findings for a table in `parameter`. With "check_sender_access" and the like the table stands after that
// restriction.
std::vector<std::string> meaning(const std::string& parameter, const std::string& query,
                                 const std::string& more = "") {
    auto parameters =
        table::TableParameters::from_file(config::parse_parameters("query = " + query + "\n" + more, "t.cf"));
    const auto definition =
        table::read_sql_definition(parameters, sql::SqlDialect::sqlite, true,
                                   [](const auto&, auto&) { return std::optional<std::string>(""); });
    if (!definition) return {"unusable"};
    TableUse use{"sqlite:t.cf", parameter, "main.cf", 3, true, ""};
    if (parameter.starts_with("check_")) {
        use.parameter = "smtpd_recipient_restrictions";
        use.asked_by = parameter;
    }
    Findings findings;
    check_meaning(*definition, {use}, {"t.cf", 1, 2, 2}, findings);
    std::vector<std::string> lines;
    for (const auto& finding : findings.all()) lines.push_back(format(finding));
    return lines;
}

TEST(Meaning, PartsOfAnAddressWhereDomainsAreAskedFor) {
    EXPECT_THAT(
        meaning("virtual_mailbox_domains", "SELECT d FROM t WHERE d = '%d'"),
        ElementsAre("t.cf:1: warning: virtual_mailbox_domains finds nothing here: it asks for domains, as "
                    "mail.example.com, and %d stands for the domain of an address, which they have not: "
                    "write %s for the whole key"));
    for (const char* parameter :
         {"relay_domains", "mydestination", "virtual_alias_domains", "mynetworks", "alias_maps",
          "check_client_access", "check_helo_access", "smtp_tls_policy_maps", "relay_clientcerts",
          "postscreen_access_list", "lmtp_tls_policy_maps"}) {
        for (const char* specifier : {"%d", "%1", "%D"}) {
            EXPECT_THAT(meaning(parameter, std::string("SELECT d FROM t WHERE d = '") + specifier + "'"),
                        ElementsAre(HasSubstr(" finds nothing here: ")))
                << parameter << specifier;
        }
        EXPECT_THAT(
            meaning(parameter, "SELECT d FROM t WHERE d = '%s'", "domain = example.com\n"),
            ElementsAre(AllOf(HasSubstr("t.cf:2: warning: "),
                              HasSubstr("the domain parameter lets only addresses pass: remove it"))));
        EXPECT_THAT(meaning(parameter, "SELECT d FROM t WHERE d = '%s'", "result_format = %D\n"),
                    ElementsAre(HasSubstr("%D stands for the domain of an address")));
        EXPECT_THAT(meaning(parameter, "SELECT d FROM t WHERE d = '%s'"), IsEmpty());
    }
}

TEST(Meaning, TheUserOfADomain) {
    EXPECT_THAT(meaning("virtual_mailbox_domains", "SELECT d FROM t WHERE d = '%u'"),
                ElementsAre(HasSubstr("%u is the whole key, not a user's name: write %s if")));
    EXPECT_THAT(meaning("alias_maps", "SELECT d FROM t WHERE d = '%u'"), IsEmpty());
    EXPECT_THAT(meaning("transport_maps", "SELECT d FROM t WHERE d = '%u'"),
                ElementsAre(HasSubstr("addresses of all domains have the same answer")));
    EXPECT_THAT(meaning("transport_maps", "SELECT d FROM t WHERE u = '%u' AND d = '%d'"), IsEmpty());
}

TEST(Meaning, WhatAddressesHave) {
    for (const char* parameter :
         {"virtual_alias_maps", "virtual_mailbox_maps", "transport_maps", "canonical_maps",
          "check_recipient_access", "smtpd_sender_login_maps", "recipient_bcc_maps",
          "smtp_sasl_password_maps", "local_recipient_maps", "header_checks"}) {
        EXPECT_THAT(
            meaning(parameter, "SELECT d FROM t WHERE u = '%u' AND d = '%d'", "domain = example.com\n"),
            IsEmpty())
            << parameter;
        EXPECT_THAT(meaning(parameter, "SELECT d FROM t WHERE a = '@%d' AND x = '%1.%2'"), IsEmpty());
    }
    EXPECT_THAT(meaning("virtual_alias_maps", "SELECT d FROM t WHERE u = '%u'", "domain = example.com\n"),
                IsEmpty());
}

TEST(Meaning, EveryKeyHasTheSameAnswer) {
    const std::string query = "SELECT d FROM t WHERE a = '$s' OR active";
    for (const char* parameter : {"relay_domains", "mynetworks", "virtual_mailbox_domains"}) {
        EXPECT_THAT(meaning(parameter, query),
                    ElementsAre(AllOf(HasSubstr("t.cf:1: error: the query does not hold the key, so that "),
                                      HasSubstr("open to all: write '%s'"))));
    }
    EXPECT_THAT(
        meaning("virtual_alias_maps", query),
        ElementsAre(HasSubstr("warning: the query does not hold the key, so that every key has the same "
                              "answer in virtual_alias_maps: ")));
    EXPECT_THAT(meaning("nobody_knows", query),
                ElementsAre(HasSubstr("so that every key has the same answer: ")));
    EXPECT_THAT(meaning("virtual_uid_maps", "SELECT 5000"), IsEmpty());
    EXPECT_THAT(meaning("nobody_knows", "SELECT d FROM t WHERE d = '%d'"), IsEmpty());
}

TEST(AskedKeys, InTheOrderOfTheManual) {
    using enum postfix::KeyKind;
    EXPECT_THAT(postfix::find_asked_keys("virtual_alias_maps")->kinds,
                ElementsAre(address, plain_address, local_part, plain_local_part, at_domain));
    EXPECT_THAT(postfix::find_asked_keys("transport_maps")->kinds,
                ElementsAre(address, plain_address, domain, parent_domain, dotted_parent_domain, everything));
    EXPECT_EQ(postfix::find_asked_keys("lmtp_generic_maps"), postfix::find_asked_keys("smtp_generic_maps"));
    EXPECT_EQ(postfix::find_asked_keys("myhostname"), nullptr);
    std::set<std::string_view> names;
    for (const auto& row : postfix::asked_keys()) {
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_FALSE(row.kinds.empty()) << row.name;
        EXPECT_FALSE(row.source.empty()) << row.name;
    }
}

// Compares with the parameters of the installed Postfix, if there is one.
TEST(AskedKeys, NoParameterWithTablesIsMissing) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen("/usr/sbin/postconf -dH 2>/dev/null", "r"),
                                                     pclose);
    ASSERT_TRUE(pipe);
    // Caches that Postfix writes to, and parameters whose names end alike but have no tables.
    const std::set<std::string> others = {"address_verify_map", "postscreen_cache_map", "proxy_read_maps",
                                          "proxy_write_maps",   "maps_rbl_domains",     "mynetworks_style"};
    char line[256];
    int names = 0;
    while (fgets(line, sizeof line, pipe.get()) != nullptr) {
        std::string name(line);
        name.erase(name.find_last_not_of("\n ") + 1);
        const bool of_tables = name.ends_with("_maps") || name.ends_with("_map") ||
                               name.ends_with("_checks") || name.ends_with("_domains") ||
                               name.ends_with("_networks") || name.ends_with("_reply_filter") ||
                               name.ends_with("_status_filter") || name.ends_with("_clientcerts") ||
                               name == "mydestination" || name == "mynetworks";
        if (!of_tables || others.contains(name)) continue;
        ++names;
        EXPECT_NE(postfix::find_asked_keys(name), nullptr) << name;
    }
    if (names == 0) GTEST_SKIP() << "there is no postconf";
}

}  // namespace
}  // namespace proxyd::control
