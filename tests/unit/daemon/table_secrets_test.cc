// However broken a table file is: no password of it is shown, neither by proxyctl check nor in the log.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "backends/log.h"
#include "backends/mysql/table_backend.h"
#include "backends/pgsql/table_backend.h"
#include "proxyd/control/table_check.h"

namespace proxyd::control {
namespace {

const std::string secret = "s3cr3t";

// Of all tests: what is set stays until the process ends.
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
        std::filesystem::permissions(path_, std::filesystem::perms::all);  // a finding of its own
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
    table::TableSet tables(loop, {});
    tables.add_backend("pgsql", std::make_unique<pgsql::TableBackend>(loop, resolver));
    tables.add_backend("mysql", std::make_unique<mysql::TableBackend>(loop, resolver));
    for (const std::string type : {"pgsql:", "mysql:"}) {
        tables.lookup(type + path_, "k", {false, false}, [](const table::LookupResult& result) {
            EXPECT_EQ(result.status, protocol::Status::retry);
        });
    }
    EXPECT_NE(log.text, "");
    EXPECT_EQ(log.text.find(secret), std::string::npos) << log.text;
}

// None of them makes a table: the port is wrong where nothing else is.
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
                    "hosts = /x/" + secret + "@h, " + secret + "=x\ndbname = d\nquery = SELECT 1\n",
                    "hosts = 127.0.0.1:1,password=" + secret + "\ndbname = d\nquery = SELECT 1\n",
                    "hosts = postgresql://u:x@" + secret + "@h/d\nquery = SELECT 1\n",
                    rest + "dbname = mysql://mail:" + secret + "@h/mail\n",
                    rest + "dbname = password=" + secret + "\n",
                    rest + "expansion_limit = many\npassword = " + secret + "\n"));

}  // namespace
}  // namespace proxyd::control
