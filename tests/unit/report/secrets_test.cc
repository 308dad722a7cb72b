#include "backends/report/secrets.h"

#include <gtest/gtest.h>

#include "backends/mysql/cluster.h"
#include "backends/pgsql/cluster.h"

namespace proxyd::cluster {
namespace {

TEST(SecretsTest, APasswordIsHiddenInEachForm) {
    Secrets secrets;
    secrets.add("p@s's w\\d");
    EXPECT_EQ(secrets.hide("host name \"p@s's w\\d\" is unknown"), "host name \"***\" is unknown");
    EXPECT_EQ(secrets.hide("bad p%40s%27s%20w%5Cd."), "bad ***.");
    EXPECT_EQ(secrets.hide("bad p@s\\'s w\\\\d."), "bad ***.");
    Secrets of_uri;
    of_uri.add("p%40ss");
    EXPECT_EQ(of_uri.hide("p@ss, p%40ss"), "***, ***");
}

TEST(SecretsTest, OnlyWholeWordsAreHidden) {
    Secrets secrets;
    secrets.add("mail");
    EXPECT_EQ(secrets.hide("mailbox, email, mail_1: 'mail'"), "mailbox, email, mail_1: '***'");
}

TEST(SecretsTest, MessagesStayOfUse) {
    Secrets secrets;
    secrets.add_public("mail");
    secrets.add("mail");
    secrets.add("a");
    secrets.add("");
    const auto* text = "password authentication failed for user \"mail\", a wrong one";
    EXPECT_EQ(secrets.hide(text), text);
}

TEST(SecretsTest, WhatLooksLikeAPasswordIsHiddenToo) {
    EXPECT_EQ(Secrets().hide("at postgresql://u:pw@h: password=x"), "at postgresql://u:***@h: password=***");
}

TEST(SecretsTest, AUserThatHoldsAPassword) {
    for (const std::string user : {"mail:pw@db", "mail:longer-word@db"}) {
        pgsql::ClusterIdentity of_pgsql;
        of_pgsql.user = user;
        mysql::ClusterIdentity of_mysql;
        of_mysql.user = user;
        EXPECT_EQ(pgsql::secrets_of(of_pgsql).hide("role \"" + user + "\" does not exist"),
                  "role \"***@db\" does not exist");
        EXPECT_EQ(mysql::secrets_of(of_mysql).hide("denied for '" + user + "'@'h'"),
                  "denied for '***@db'@'h'");
    }
}

TEST(SecretsTest, AUserWithAPasswordAndNoHost) {
    pgsql::ClusterIdentity of_pgsql;
    of_pgsql.user = "mail:secret";
    EXPECT_EQ(pgsql::secrets_of(of_pgsql).hide("role \"mail:secret\" does not exist"),
              "role \"mail:***\" does not exist");
    EXPECT_EQ(pgsql::secrets_of(of_pgsql).hide("it was secret"), "it was ***");
}

TEST(SecretsTest, ADatabaseNameThatMayHoldAPassword) {
    for (const std::string dbname : {"mail passwort=secret", "mail:secret@h/mail", "mail password secret"}) {
        pgsql::ClusterIdentity of_pgsql;
        of_pgsql.dbname = dbname;
        of_pgsql.hosts = {"h"};
        mysql::ClusterIdentity of_mysql;
        of_mysql.dbname = dbname;
        EXPECT_EQ(shown_dbname(dbname), "***");
        EXPECT_EQ(pgsql::secrets_of(of_pgsql).hide("no database \"" + dbname + "\""), "no database \"***\"");
        EXPECT_EQ(mysql::secrets_of(of_mysql).hide("Unknown database '" + dbname + "'"),
                  "Unknown database '***'");
    }
    EXPECT_EQ(shown_dbname("mail_2.d-b"), "mail_2.d-b");
}

TEST(SecretsTest, PasswordsInUrisAndConnectionText) {
    pgsql::ClusterIdentity cluster;
    cluster.hosts = {"postgresql://u:fir%20st@h/d", "h"};
    cluster.dbname = "dbname=d password='sec ond' sslpassword=third";
    const auto secrets = pgsql::secrets_of(cluster);
    EXPECT_EQ(secrets.hide("fir st, fir%20st, sec ond, third, fourth"), "***, ***, ***, ***, fourth");
}

}  // namespace
}  // namespace proxyd::cluster
