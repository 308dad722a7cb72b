#include "backends/cluster/host_name.h"

#include <gtest/gtest.h>

#include "backends/mysql/table_backend.h"
#include "backends/pgsql/table_backend.h"

namespace proxyd::cluster {
namespace {

table::TableParameters parameters_of(const std::string& text) {
    return table::TableParameters::from_file(config::parse_parameters(text, "t.cf"));
}

std::string errors_of(const table::TableParameters& parameters) {
    std::string text;
    for (const auto& problem : parameters.errors()) text += parameters.describe(problem) + "\n";
    return text;
}

std::string mysql_errors(const std::string& hosts, const std::string& dbname = "d") {
    auto parameters = parameters_of("hosts = " + hosts + "\ndbname = " + dbname + "\n");
    (void)mysql::read_cluster(parameters);
    return errors_of(parameters);
}

std::string pgsql_errors(const std::string& hosts, const std::string& dbname = "d") {
    auto parameters = parameters_of("hosts = " + hosts + "\ndbname = " + dbname + "\n");
    (void)pgsql::read_cluster(parameters);
    return errors_of(parameters);
}

TEST(HostNameFault, WhatMayBeAHostNameIsLeftToTheResolver) {
    for (const auto* name :
         {"db", "db.example.com", "db_1.internal.", "192.0.2.1", "::1", "2001:db8::1", "fe80::1%eth0",
          "b\xc3\xbc"
          "cher.example",
          "xn--bcher-kva.example", "1"})
        EXPECT_FALSE(host_name_fault(name)) << name;
}

TEST(HostNameFault, WhatCanBeNoneIsNotAskedFor) {
    for (const auto* name : {"mail:pw@db", "password=pw", "a/b", "[::1]", "::1:5432:x", "a b", "'db'",
                             "\"db\"", "db;port=1", "db?", "a\x01"})
        EXPECT_TRUE(host_name_fault(name)) << name;
}

TEST(HostNameFault, TheMessageSaysWhatWouldBeRight) {
    EXPECT_EQ(mysql_errors("/run/mysqld/mysqld.sock"),
              "t.cf, line 1: hosts: host /run/mysqld/mysqld.sock: a UNIX-domain socket is written "
              "unix:/run/mysqld/mysqld.sock\n");
    EXPECT_EQ(
        pgsql_errors("/tmp/.s.PGSQL.5432"),
        "t.cf, line 1: hosts: host /tmp/.s.PGSQL.5432: it is the socket itself: write its directory, /tmp\n");
    EXPECT_EQ(pgsql_errors("unix:/tmp/.s.PGSQL.5433"),
              "t.cf, line 1: hosts: host unix:/tmp/.s.PGSQL.5433: it is the socket itself: write its "
              "directory, /tmp, and "
              "the port in dbname, as dbname = dbname=mail port=5433\n");
    for (const auto* host : {"[::1]:5432", "::1", "inet:[2001:db8::1]"})
        EXPECT_NE(
            pgsql_errors(host).find("an IPv6 address stands in a URI: write postgresql://[::1]:5432/dbname"),
            std::string::npos)
            << pgsql_errors(host);
    EXPECT_NE(mysql_errors("mysql://mail:pw@db").find("host mysql://mail:***@db: a MySQL host is no URI"),
              std::string::npos);
    EXPECT_NE(mysql_errors("mail:pw@db").find("host ***@db: it holds '@'"), std::string::npos);
    EXPECT_NE(pgsql_errors("password=pw").find("host password=***: it holds '='"), std::string::npos);
    EXPECT_NE(mysql_errors("db", "mysql://mail:pw@db/mail").find("dbname is a URI or connection text"),
              std::string::npos);
    EXPECT_NE(mysql_errors("db", "password = pw").find("dbname is a URI or connection text"),
              std::string::npos);
}

// The stock server serves all of these.
TEST(HostNameFault, WhatTheStockServerServesIsServed) {
    for (const auto* host : {"db", "db:3306", "inet:db:mysql", "unix:/a@b=c/s.sock", "localhost",
                             "127.0.0.1:1,password=pw", "127.0.0.1:1 /nothing"})
        EXPECT_EQ(mysql_errors(host), "") << host;
    for (const auto* dbname : {"a=b", "my://x:y@h/m", "mail"})
        EXPECT_EQ(mysql_errors("db", dbname), "") << dbname;
    for (const auto* host :
         {"db", "db:5432", "inet:db", "/run/postgresql", "unix:/a@b=c", "postgresql://u:p%40@h/d",
          "postgresql:///d?host=/tmp&user=u", "postgresql://[::1]:5432/d", "127.0.0.1:1,password=pw",
          "127.0.0.1:1 127.0.0.1:nosuch", "mysql://x:PW@h,127.0.0.1:1", "postgresql://a%2Cb:1%2C2/d"})
        EXPECT_EQ(pgsql_errors(host), "") << host;
    // With hostaddr the host name is not resolved.
    EXPECT_EQ(pgsql_errors("any=thing", "dbname=mail hostaddr=127.0.0.1"), "");
    EXPECT_EQ(pgsql_errors("db", "dbname=mail password=pw"), "");
}

TEST(HostNameFault, AnItemOfNoUseIsLeftOutWithAWarning) {
    auto parameters = parameters_of("hosts = 127.0.0.1:1,password=pw\ndbname = d\n");
    const auto cluster = mysql::read_cluster(parameters);
    EXPECT_EQ(cluster.hosts, std::vector<std::string>{"127.0.0.1:1"});
    ASSERT_EQ(parameters.warnings().size(), 1U);
    EXPECT_EQ(parameters.warnings()[0].line, 1);
    EXPECT_EQ(
        parameters.warnings()[0].message,
        "hosts: host password=***: it holds '=', which no host name does: user, password and dbname have "
        "parameters of their own -- it is left out");
}

}  // namespace
}  // namespace proxyd::cluster
