// Neither proxyctl check nor the log shows a password of a table file, however broken the file is.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "backends/config/parameter_file.h"
#include "backends/mysql/table_backend.h"
#include "backends/pgsql/table_backend.h"
#include "backends/report/log.h"
#include "backends/table/sql_definition.h"
#include "proxyd/control/check/table_check.h"
#include "tests/unit/relay/run_until.h"

namespace proxyd::control {
namespace {

const std::string secret = "s3cr3t";

// One log for all tests: set_log() stays in force until the process ends.
class TextLog final : public Log {
  public:
    TextLog() { set_log(*this); }
    void write(Severity, std::string_view topic, std::string_view line) override {
        text += std::string(topic) + ": " + std::string(line) + "\n";
    }

    std::string text;
};

TextLog& text_log() {
    static TextLog log;
    log.text.clear();
    return log;
}

class TableSecrets : public testing::TestWithParam<std::string> {
  protected:
    TableSecrets() {
        std::string pattern = testing::TempDir() + "proxyd-secrets-XXXXXX";
        directory_ = mkdtemp(pattern.data());
        path_ = directory_ + "/t.cf";
        std::ofstream(path_) << GetParam();
        std::filesystem::permissions(path_, std::filesystem::perms::all);  // causes a finding
    }
    ~TableSecrets() override { std::filesystem::remove_all(directory_); }
    TableSecrets(const TableSecrets&) = delete;
    TableSecrets& operator=(const TableSecrets&) = delete;

    std::string directory_;
    std::string path_;
};

TEST_P(TableSecrets, AreNotShownByCheck) {
    Findings findings;
    const config::ParameterFile main_cf;
    TableCheck check({}, main_cf, "main.cf", {}, findings);
    for (const std::string type : {"pgsql:", "mysql:"}) check.read(type + path_, {});
    std::string shown;
    for (const auto& finding : findings.all()) shown += format(finding) + "\n";
    EXPECT_NE(shown, "");
    EXPECT_EQ(shown.find(secret), std::string::npos) << shown;
}

TEST_P(TableSecrets, AreNotLogged) {
    TextLog& log = text_log();
    EventLoop loop;
    Resolver resolver(loop);
    table::TableSettings settings;
    settings.lookup_timeout = std::chrono::milliseconds(50);
    table::TableSet tables(loop, {true, {}, [&settings](table::TableParameters&) { return settings; }});
    tables.add_backend("pgsql", std::make_unique<pgsql::TableBackend>(loop, resolver));
    tables.add_backend("mysql", std::make_unique<mysql::TableBackend>(loop, resolver));
    int answers = 0;
    for (const std::string type : {"pgsql:", "mysql:"}) {
        tables.lookup(type + path_, "k", {false, false}, [&answers](const table::LookupResult& result) {
            EXPECT_EQ(result.status, protocol::Status::retry);
            ++answers;
        });
    }
    // A file that still makes a table causes a connection to its host.
    run_until(loop, [&answers] { return answers == 2; });
    EXPECT_NE(log.text, "");
    EXPECT_EQ(log.text.find(secret), std::string::npos) << log.text;
}

// None of these files makes a table: the port is wrong even if nothing else is.
const std::string rest = "hosts = h:nosuchport\ndbname = d\nquery = SELECT 1\n";

INSTANTIATE_TEST_SUITE_P(
    Broken, TableSecrets,
    testing::Values(rest + "password " + secret + "\n", rest + "password: " + secret + "\n",
                    rest + "PassWord " + secret + "\n", rest + "pasword " + secret + "\n",
                    rest + "= " + secret + "\n", rest + "password =\n" + secret + "\n",
                    "  password = " + secret + "\n" + rest,
                    rest + "password = " + secret + "\npassword = other\n",
                    rest + "password = other\npassword = " + secret + "\n",
                    rest + "pasword = " + secret + "\n", "hosts postgresql://u:" + secret + "@h/d\n" + rest,
                    "host = postgresql://u:" + secret + "@h/d\n" + rest,
                    "hosts =\npostgresql://u:" + secret + "@h/d other\n" + rest,
                    "hosts = postgresql://u:" + secret + "@h:x/d\nquery = SELECT 1\n",
                    "hosts = postgresql://u:p@[::1/d?password=" + secret + "\nquery = SELECT 1\n",
                    "hosts = mysql://u:" + secret + "@h:x/d\nquery = SELECT 1\n",
                    "hosts = h:u:" + secret + "@x\ndbname = d\nquery = SELECT '%z'\n",
                    "hosts = h:x\ndbname = host=h password=" + secret + " nosuch=1\nquery = SELECT 1\n",
                    "dbname host=h password=" + secret + "\n" + rest,
                    "hosts = mysql://mail:" + secret + "@127.0.0.1\ndbname = d\nquery = SELECT 1\n",
                    "hosts = mail:" + secret + "@127.0.0.1:5432\ndbname = d\nquery = SELECT 1\n",
                    "hosts = mail:" + secret + "\ndbname = d\nquery = SELECT 1\n",
                    "hosts = password=" + secret + "\ndbname = d\nquery = SELECT 1\n",
                    "hosts = host=h;password=" + secret + "\ndbname = d\nquery = SELECT 1\n",
                    "hosts = /x/y@h, " + secret + "=x\ndbname = d\nquery = SELECT 1\n",
                    "hosts = 127.0.0.1:1,password=" + secret + "\ndbname = d\nquery = SELECT 1\n",
                    "hosts = postgresql://u:x@" + secret + "@h/d\nquery = SELECT 1\n",
                    rest + "dbname = mysql://mail:" + secret + "@h/mail\n",
                    rest + "dbname = password=" + secret + "\n",
                    rest + "expansion_limit = many\npassword = " + secret + "\n",
                    rest + "expansion_limit = 10\n password=" + secret + "\n",
                    rest + "expansion_limit = 10\n password " + secret + "\n",
                    rest + "expansion_limit = 10\n passwort=" + secret + "\n",
                    rest + "require_result_set = yes\n password " + secret + "\n",
                    rest + "result_format = %z\n password=" + secret + "\n",
                    rest + "result_format = %s #\n password=" + secret + "\n",
                    rest + "result_format = %s\xc2\xa0\n password = " + secret + "\n",
                    rest + "domain = a.example\n password=" + secret + "\n",
                    rest + "password = " + secret + "\nquery = SELECT '%z', '" + secret + "'\n",
                    rest + "password = " + secret + "\nquery = SELECT '" + secret + "\n",
                    rest + "password = " + secret + "\nquery = SELECT `" + secret + "`\n",
                    rest + "password = " + secret + "%z\nresult_format = " + secret + "%z\n"));

// Messages that mention the database show its name.
TEST(DatabaseName, IsShownUnlessItMayHoldAPassword) {
    TextLog& log = text_log();
    EventLoop loop;
    Resolver resolver(loop);
    std::string pattern = testing::TempDir() + "proxyd-names-XXXXXX";
    const std::string directory = mkdtemp(pattern.data());
    for (const std::string type : {"pgsql", "mysql"}) {
        for (const std::string& dbname :
             {std::string("mail"), "mail\n password = " + secret, "mail:" + secret + "@h/mail",
              "mail\n passwort=" + secret, "mail\n password " + secret, "mail@" + secret}) {
            table::TableSet tables(loop, {});
            tables.add_backend("pgsql", std::make_unique<pgsql::TableBackend>(loop, resolver));
            tables.add_backend("mysql", std::make_unique<mysql::TableBackend>(loop, resolver));
            const auto path = directory + "/t.cf";
            std::ofstream(path) << "hosts = unix:/none\ndbname = " << dbname << "\nquery = SELECT 1\n";
            tables.open(type + ":" + path);
            for (const auto& database : tables.databases()) {
                EXPECT_EQ(database.name.find(secret), std::string::npos) << database.name;
                EXPECT_EQ(database.name == type + " database mail", dbname == "mail") << database.name;
            }
            EXPECT_LE(dbname == "mail" ? 1U : 0U, tables.databases().size());
        }
    }
    EXPECT_EQ(log.text.find(secret), std::string::npos) << log.text;
    std::filesystem::remove_all(directory);
}

TEST(TemplateMistake, IsShownWithWhatStandsAroundIt) {
    const auto problem = [](const std::string& query) {
        auto parameters = table::TableParameters::from_file(
            config::parse_parameters("password = " + secret + "\nquery = " + query + "\n", "t.cf"));
        EXPECT_FALSE(table::read_sql_definition(parameters, sql::SqlDialect::pgsql, true, config::read_file));
        return parameters.errors().empty() ? "" : parameters.errors().front().message;
    };
    const std::string why = "%z is not one of %s %u %d %S %U %D %1 ... %9; a literal % is written %%";
    EXPECT_EQ(problem("SELECT '%z'"), "query = SELECT '%z': " + why);
    EXPECT_EQ(problem(std::string(50, 'a') + "%z" + std::string(50, 'b')),
              "query = ..." + std::string(30, 'a') + "%z" + std::string(28, 'b') + "...: " + why);
    EXPECT_EQ(problem(std::string(20, 'a') + " " + secret + " %z"),
              "query = " + std::string(20, 'a') + " *** %z: " + why);
}

}  // namespace
}  // namespace proxyd::control
