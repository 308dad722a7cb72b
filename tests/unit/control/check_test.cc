#include "proxyd/control/check/check.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxyd/control/check/table_check.h"

namespace proxyd::control {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Password, IsSeenInConnectionText) {
    EXPECT_TRUE(holds_password("postgresql://u:secret@h/d"));
    EXPECT_TRUE(holds_password("host=h password=secret"));
    EXPECT_FALSE(holds_password("postgresql://u@h/d"));
    EXPECT_FALSE(holds_password("127.0.0.1:5432 unix:/run"));
}

// The configuration of a stand-alone daemon, in its own directory.
class CheckTest : public testing::Test {
  protected:
    CheckTest() {
        std::string path = "/tmp/proxyd-check-XXXXXX";
        directory_ = mkdtemp(path.data());
    }
    ~CheckTest() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, const std::string& text, mode_t mode = 0640) {
        std::ofstream(directory_ + "/" + name) << text;
        chmod((directory_ + "/" + name).c_str(), mode);
    }

    // Writes a table and allows only that one. Returns its findings without the directory.
    std::vector<std::string> findings(const std::string& type, const std::string& text, mode_t mode = 0640) {
        write("t.cf", text, mode);
        write("proxyd.cf", "allowed_tables = " + type + ":" + directory_ + "/t.cf\n");
        return findings();
    }
    std::vector<std::string> findings(bool connect = false) {
        std::vector<std::string> lines;
        auto place = find_config(directory_ + "/proxyd.cf", {});
        if (geteuid() == 0) place.user = user_;
        result_ = check(place, {}, connect);
        for (const auto& finding : result_.findings.all()) {
            auto line = format(finding);
            for (std::size_t at = 0; (at = line.find(directory_ + "/", at)) != std::string::npos;) {
                line.erase(at, directory_.size() + 1);
            }
            lines.push_back(line);
        }
        return lines;
    }

    std::string directory_;
    std::string user_ = "root";  // the user that the daemon runs as
    CheckResult result_;
};

constexpr const char* good_pgsql =
    "hosts = 127.0.0.1\ndbname = mail\nuser = u\npassword = secret\nquery = SELECT '%s'\n";

TEST_F(CheckTest, GoodTableHasNoFindings) {
    EXPECT_THAT(findings("pgsql", good_pgsql), IsEmpty());
    EXPECT_EQ(result_.tables, 1U);
    std::ostringstream out;
    EXPECT_EQ(report(result_, false, out), 0);
    EXPECT_EQ(out.str(), "checked 1 table: 0 errors, 0 warnings\n");
}

TEST_F(CheckTest, EveryParameterThatAnyoneKnowsIsKnown) {
    EXPECT_THAT(
        findings("pgsql", std::string(good_pgsql) +
                              "encoding = UTF8\nretry_interval = 60\nidle_interval = 60\nresult_format = %s\n"
                              "domain = example.com\nexpansion_limit = 1\ntable = t\nselect_field = s\n"
                              "where_field = w\nadditional_conditions = AND 1\nselect_function = f\n"
                              "pool_size = 3\nlookup_timeout = 2s\nprepared_statements = no\n"),
        IsEmpty());
}

TEST_F(CheckTest, UnknownParametersAreNamedWithASuggestion) {
    EXPECT_THAT(
        findings("pgsql", std::string(good_pgsql) + "\nquerry = x\nzzzzzzz = 1\n"),
        ElementsAre("t.cf:7: warning: unknown parameter \"querry\" is ignored, did you mean \"query\"?",
                    "t.cf:8: warning: unknown parameter \"zzzzzzz\" is ignored"));
    EXPECT_THAT(findings("sqlite", "dbpath = /dev/null\nquery = SELECT '%s'\nhosts = a\n"),
                ElementsAre("t.cf:3: warning: unknown parameter \"hosts\" is ignored"));
}

TEST_F(CheckTest, SyntaxAndValues) {
    EXPECT_THAT(findings("sqlite", "dbpath = /dev/null\nquery SELECT '%s'\n"),
                ElementsAre(HasSubstr("t.cf:2: error: missing '='")));
    EXPECT_THAT(findings("sqlite", "dbpath = /dev/null\nquery = SELECT '%z'\n"),
                ElementsAre(HasSubstr("t.cf:2: error: ")));
    EXPECT_THAT(findings("sqlite", "dbpath = /dev/null\nquery = SELECT '%s'\nexpansion_limit = many\n"),
                ElementsAre(HasSubstr("t.cf:3: error: expansion_limit = many")));
    EXPECT_THAT(findings("sqlite", "dbpath = /dev/null\nquery = SELECT '%s'\npool_size = 0\n"),
                ElementsAre(HasSubstr("t.cf:3: error: bad value: pool_size = 0, expected")));
    EXPECT_THAT(findings("sqlite", "query = SELECT '%s'\n"),
                ElementsAre(HasSubstr("t.cf: error: dbpath is missing")));
    std::filesystem::remove(directory_ + "/t.cf");
    EXPECT_THAT(findings(), ElementsAre(HasSubstr("t.cf: error: cannot be read: No such file")));
    std::ostringstream out;
    EXPECT_EQ(report(result_, false, out), 1);
    EXPECT_THAT(out.str(), HasSubstr("checked 1 table: 1 error, 0 warnings\n"));
}

TEST_F(CheckTest, AnOptionWithoutAValueIsNone) {
    EXPECT_THAT(findings("sqlite", "dbpath = /dev/null\nquery = SELECT '%s'\npool_size =\n"),
                ElementsAre(HasSubstr("t.cf:3: error: bad value: pool_size = , expected ")));
}

TEST_F(CheckTest, ANegativeLimitIsNone) {
    const std::string table = "dbpath = /dev/null\nquery = SELECT '%s'\nexpansion_limit = ";
    EXPECT_THAT(findings("sqlite", table + "-1\n"),
                ElementsAre("t.cf:3: warning: expansion_limit = -1 sets no limit: write 0 if that is meant"));
    EXPECT_THAT(findings("sqlite", table + "0\n"), IsEmpty());
}

TEST_F(CheckTest, DatabaseFilesThatCannotBeRead) {
    const std::string query = "\nquery = SELECT '%s'\n";
    for (const bool connect : {false, true}) {
        write("t.cf", "dbpath = " + directory_ + "/none.db" + query);
        write("proxyd.cf", "allowed_tables = sqlite:" + directory_ + "/t.cf\n");
        EXPECT_THAT(findings(connect),
                    ElementsAre(HasSubstr("t.cf:1: error: dbpath = none.db: No such file or directory")));
    }
    if (geteuid() != 0) GTEST_SKIP() << "only root can become a user who may not read the file";
    chmod(directory_.c_str(), 0755);
    write("secret.db", "", 0600);
    write("t.cf", "dbpath = " + directory_ + "/secret.db" + query, 0644);
    write("proxyd.cf", "allowed_tables = sqlite:" + directory_ + "/t.cf\n", 0644);
    ASSERT_EQ(seteuid(65534), 0);
    const auto lines = findings();
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_THAT(lines,
                ElementsAre(HasSubstr("t.cf:1: warning: dbpath = secret.db: permission denied for user "
                                      "nobody: run this as root")));
}

TEST_F(CheckTest, UnquotedSpecifiersAreDangerous) {
    EXPECT_THAT(
        findings("sqlite", "dbpath = /dev/null\nquery = SELECT v FROM t WHERE k = %s\n"),
        ElementsAre(AllOf(HasSubstr("t.cf:2: warning: %s not inside '...'"), HasSubstr("write '%s'"))));
}

TEST_F(CheckTest, DoubleQuotesMayMakeAName) {
    const std::string mysql = "hosts = 127.0.0.1\ndbname = mail\n";
    EXPECT_THAT(findings("mysql", mysql + "query = SELECT v FROM t WHERE k = \"%u\"\n"),
                ElementsAre(HasSubstr("t.cf:3: warning: %u inside \"...\": a server with ANSI_QUOTES")));
    EXPECT_THAT(findings("mysql", mysql + "query = SELECT v FROM t WHERE k = '\"%u\"'\n"), IsEmpty());
}

TEST_F(CheckTest, PasswordsThatAllCanReadAreNamedButNotShown) {
    for (const auto& text :
         {std::string(good_pgsql), std::string("hosts = postgresql://u:secret@h/d\nquery = SELECT '%s'\n"),
          std::string("hosts = h\ndbname = dbname=d password=secret\nquery = SELECT '%s'\n")}) {
        EXPECT_THAT(findings("pgsql", text, 0640), IsEmpty()) << text;
        const auto lines = findings("pgsql", text, 0644);
        EXPECT_THAT(lines, ElementsAre(HasSubstr("warning: the password can be read by all users"))) << text;
        EXPECT_THAT(lines, Not(ElementsAre(HasSubstr("secret")))) << text;
    }
    EXPECT_THAT(findings("pgsql", "hosts = h\ndbname = d\nquery = SELECT '%s'\n", 0644), IsEmpty());
}

TEST_F(CheckTest, HostsAreNamedByTheirLine) {
    const std::string table = "dbname = mail\nquery = SELECT '%s'\nhosts = db:port\n";
    EXPECT_THAT(findings("pgsql", table),
                ElementsAre(HasSubstr("t.cf:3: error: hosts: host db:***: the port ")));
    EXPECT_THAT(findings("mysql", table),
                ElementsAre(HasSubstr("t.cf:3: error: hosts: host db:***: the port ")));
    EXPECT_THAT(findings("pgsql", "query = SELECT '%s'\ndbname = nosuchkeyword=x\nhosts = db\n"),
                ElementsAre(HasSubstr("t.cf:2: error: dbname: libpq cannot read ")));
}

TEST_F(CheckTest, CertificatesThatAreMissingOrVerifyNothing) {
    const std::string table = "dbname = mail\nquery = SELECT '%s'\nhosts = db\ntls_CAfile = ";
    const std::string verify = "\ntls_verify_cert = yes\n";
    EXPECT_THAT(findings("mysql", table + "/none" + verify),
                ElementsAre("t.cf:4: error: tls_CAfile = /none: No such file or directory"));
    EXPECT_THAT(findings("mysql", table + "/dev/null" + verify + "tls_key_file = /none\n"),
                ElementsAre(HasSubstr("t.cf:6: error: tls_key_file = /none: ")));
    EXPECT_THAT(findings("mysql", table + "/dev/null\n"),
                ElementsAre(HasSubstr(
                    "t.cf:4: warning: tls_CAfile without tls_verify_cert = yes: a server that offers no "
                    "TLS is talked to in clear text")));
    EXPECT_THAT(findings("mysql", table + "/dev/null" + verify), IsEmpty());
}

TEST_F(CheckTest, PgsqlTablesHaveTheirTlsInDbname) {
    for (const char* name : {"tls_verify_cert = yes", "sslmode = verify-full"}) {
        EXPECT_THAT(
            findings("pgsql", std::string(good_pgsql) + name + "\n"),
            ElementsAre(AllOf(HasSubstr("t.cf:6: warning: "), HasSubstr("certificate is not verified"),
                              HasSubstr("dbname = dbname=mail sslmode=verify-full"))));
    }
    EXPECT_THAT(findings("pgsql",
                         "hosts = h\ndbname = dbname=m password=secret\nquery = SELECT '%s'\n"
                         "tls_CAfile = /x\n"),
                ElementsAre(Not(HasSubstr("secret"))));
}

TEST_F(CheckTest, ItemsOfDomainListsThatFailAllLookups) {
    const std::string table = "dbpath = /dev/null\nquery = SELECT '%s'\ndomain = ";
    const std::string here = "t.cf:3: error: domain: ";
    EXPECT_THAT(findings("sqlite", table + directory_ + "/none\n"),
                ElementsAre(here + "open none: No such file or directory: lookups that come to it fail: make "
                                   "that file, with domains in it, or take it off the list"));
    EXPECT_THAT(findings("sqlite", table + "example.com, type:\n"),
                ElementsAre(here + "type:: expected type:name: lookups that come to it fail"));
    // proxyd would ask the stock server for these, but there is none.
    EXPECT_THAT(
        findings("sqlite", table + "example.com, !hash:/x\n"),
        ElementsAre(HasSubstr("t.cf:3: error: proxyd does not serve hash: tables itself, and there is "
                              "no stock server here to answer for hash:/x")));
    write("list", "example.net\nhash:/y\n");
    EXPECT_THAT(findings("sqlite", table + directory_ + "/list\n"),
                ElementsAre(HasSubstr("no stock server here to answer for hash:/y")));
    EXPECT_THAT(findings("sqlite", table + "example.com, static:all, inline:{x=y}\n"), IsEmpty());
}

TEST_F(CheckTest, TablesInDomainListsAreCheckedToo) {
    write("d.cf", "query = SELECT '%s'\n");
    EXPECT_THAT(findings("sqlite", "dbpath = /dev/null\nquery = SELECT '%s'\ndomain = example.com, !sqlite:" +
                                       directory_ + "/d.cf\n"),
                ElementsAre(HasSubstr("d.cf: error: dbpath is missing")));
}

TEST_F(CheckTest, TablesMadeOfOthersAreTheirMembers) {
    write("d.cf", "query = SELECT '%s'\n");
    write("e.cf", "dbpath = /dev/null\nquery = SELECT '%s'\n");
    write("proxyd.cf",
          "allowed_tables = unionmap:{sqlite:" + directory_ + "/d.cf, sqlite:" + directory_ + "/e.cf}\n");
    EXPECT_THAT(findings(), ElementsAre(HasSubstr("d.cf: error: dbpath is missing")));
    EXPECT_EQ(result_.tables, 2U);
}

TEST_F(CheckTest, OptionsAndTypes) {
    write("proxyd.cf", "allowed_tables = hash:/etc/aliases\n\npool_sice = 3\nlookup_timeout = soon\n");
    EXPECT_THAT(
        findings(),
        ElementsAre("proxyd.cf:3: error: unknown option \"pool_sice\", did you mean \"pool_size\"?",
                    HasSubstr("proxyd.cf:4: error: bad value: lookup_timeout = soon"),
                    HasSubstr("proxyd.cf: error: proxyd does not serve hash: tables itself, and there is no "
                              "stock server here")));
    write("proxyd.cf", "allowed_tables = hash:/etc/aliases\nrelay_service = /run/stock\n");
    EXPECT_THAT(findings(), IsEmpty());
    write("proxyd.cf", "pool_size = 3\n");
    EXPECT_THAT(findings(), ElementsAre(HasSubstr("allowed_tables is empty")));
}

TEST_F(CheckTest, ConnectAsksTheDatabase) {
    write("proxyd.cf", "allowed_tables = sqlite:" + directory_ + "/t.cf sqlite:" + directory_ + "/u.cf\n");
    write("t.cf", "dbpath = " + directory_ + "/empty.db\nquery = SELECT '%s'\n");
    write("u.cf", "dbpath = " + directory_ + "/empty.db\nquery = SELECT v FROM missing WHERE k = '%s'\n");
    write("empty.db", "");
    EXPECT_THAT(findings(true),
                ElementsAre(HasSubstr("u.cf:2: error: database empty.db: no such table: missing")));
    EXPECT_EQ(result_.answering, 1U);
    std::ostringstream out;
    EXPECT_EQ(report(result_, true, out), 1);
    EXPECT_THAT(out.str(), HasSubstr("checked 2 tables, 1 answered: 1 error, 0 warnings\n"));
}

TEST_F(CheckTest, AQueryWithAKeyOutsideQuotesIsNotTried) {
    write("empty.db", "");
    write("proxyd.cf", "allowed_tables = sqlite:" + directory_ + "/t.cf sqlite:" + directory_ + "/u.cf\n");
    write("t.cf", "dbpath = " + directory_ + "/empty.db\nquery = SELECT v FROM t WHERE id = %s\n");
    write("u.cf", "dbpath = " + directory_ + "/empty.db\nquery = SELECT '%s'\n");
    EXPECT_THAT(findings(true),
                ElementsAre(HasSubstr("t.cf:2: warning: %s not inside '...'"),
                            HasSubstr("t.cf:2: note: this query was not tried, as a key stands in "
                                      "it outside quotes: the database was only connected to")));
    EXPECT_EQ(result_.answering, 2U);
    EXPECT_THAT(result_.reading_tables, ElementsAre("sqlite:" + directory_ + "/u.cf"));
    write("empty.db",
          "this is no database, and long enough to be seen as none, for it has a header of its own\n");
    EXPECT_THAT(findings(true),
                testing::Contains(HasSubstr("t.cf:1: error: database empty.db: file is not a")));
}

TEST_F(CheckTest, WhatIsNoDatabaseIsTheFaultOfDbpath) {
    write("t.db",
          "this is no database, and long enough to be seen as none, for it has a header of its own\n");
    write("t.cf", "query = SELECT v FROM t WHERE k = '%s'\ndbpath = " + directory_ + "/t.db\n");
    write("proxyd.cf", "allowed_tables = sqlite:" + directory_ + "/t.cf\n");
    EXPECT_THAT(findings(true),
                ElementsAre(HasSubstr("t.cf:2: error: database t.db: file is not a database")));
}

TEST_F(CheckTest, QuotesAroundWholeValues) {
    EXPECT_THAT(
        findings("sqlite", "dbpath = \"/dev/null\"\nquery = 'SELECT 1'\n"),
        testing::IsSupersetOf(
            {HasSubstr("t.cf:1: error: the quotes around the value of dbpath are taken for a part of it: "
                       "remove the quotes"),
             HasSubstr("t.cf:2: error: the quotes around the value of query ")}));
}

TEST_F(CheckTest, ALineThatContinuesTheOneBefore) {
    const auto hint = [](const char* name, const char* inside) {
        return HasSubstr(std::string("warning: the value of ") + name + " holds the parameter " + inside +
                         ": a line that begins with white space continues the one before");
    };
    EXPECT_THAT(findings("sqlite", "dbpath = /dev/null\n query = SELECT '%s'\n"),
                testing::Contains(hint("dbpath", "query")));
    EXPECT_THAT(findings("pgsql",
                         "hosts = h\ndbname = d\nquery = SELECT a FROM t WHERE domain = '%s'\n"
                         " result_format = %s\n"),
                testing::Contains(hint("query", "result_format")));
    EXPECT_THAT(findings("pgsql",
                         "hosts = h\ndbname = dbname = d user = u\n"
                         "query = SELECT a FROM t\n  WHERE domain = '%s'\n"),
                IsEmpty());
}

TEST_F(CheckTest, ADirectoryThatIsClosedIsNamedOnceForAllItsFiles) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    chmod(directory_.c_str(), 0755);
    std::filesystem::create_directories(directory_ + "/closed/inner");
    chmod((directory_ + "/closed").c_str(), 0700);
    std::string allowed = "allowed_tables =";
    for (const auto& [name, file] : {std::pair("t", "a"), {"u", "a"}, {"v", "b"}, {"w", "c"}}) {
        const auto database = fmt::format("closed/inner/{}.db", file);
        write(database, "", 0644);
        write(name, fmt::format("query = SELECT '%s'\ndbpath = {}/{}\n", directory_, database), 0644);
        allowed += fmt::format(" sqlite:{}/{}", directory_, name);
    }
    write("proxyd.cf", allowed + "\n", 0644);
    user_ = "nobody";
    EXPECT_THAT(
        findings(),
        ElementsAre(AllOf(HasSubstr("t:2: error: user nobody (--user) cannot read closed/inner/a.db, and 2 "
                                    "more files: "),
                          HasSubstr("The directory closed cannot be searched: try chgrp nogroup closed; "
                                    "chmod g+x closed"))));
}

TEST_F(CheckTest, WhomTheDaemonRunsAsIsAskedFor) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    chmod(directory_.c_str(), 0755);
    write("t.cf", "dbpath = /dev/null\nquery = SELECT '%s'\n", 0600);
    write("proxyd.cf", "allowed_tables = sqlite:" + directory_ + "/t.cf\n", 0600);
    EXPECT_THAT(findings(), IsEmpty());
    user_ = "nobody";
    const auto refused =
        AllOf(HasSubstr(".cf: error: user nobody (--user) cannot read it: Permission denied"),
              HasSubstr("Try chgrp nogroup "));
    EXPECT_THAT(findings(), ElementsAre(refused, refused));
    std::ostringstream out;
    EXPECT_EQ(report(result_, false, out), 1);
    EXPECT_THAT(out.str(), HasSubstr("checked 1 table as user nobody: 2 errors"));
    EXPECT_EQ(geteuid(), 0U);

    const auto unknown = check(find_config(directory_ + "/proxyd.cf", {}), {}, false);
    ASSERT_EQ(unknown.findings.all().size(), 1U);
    EXPECT_THAT(unknown.findings.all()[0].text, HasSubstr("all files were read as root"));
    EXPECT_EQ(unknown.findings.all()[0].gravity, Gravity::note);
}

TEST_F(CheckTest, NothingToCheckIsSaid) {
    EXPECT_THROW((void)check(find_config(directory_, {}), {}, false), std::runtime_error);
    EXPECT_THROW((void)find_config(directory_ + "/missing", {}), std::runtime_error);
}

}  // namespace
}  // namespace proxyd::control
