// TLS to a MariaDB server, by a certificate authority of the test's own.
#include <fstream>

#include <arpa/inet.h>
#include <netdb.h>

#include "tests/database/mysql_scene.h"

namespace proxyd {
namespace {

// A name other than localhost that leads to this machine; "" when there is none.
std::string name_of_this_machine(std::string& address) {
    char name[256] = {};
    (void)gethostname(name, sizeof name - 1);
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(name, nullptr, &hints, &found) != 0) return "";
    char text[INET_ADDRSTRLEN] = {};
    const auto* in = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
    (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    freeaddrinfo(found);
    address = text;
    return address.starts_with("127.") ? name : "";
}

class MysqlTls : public MysqlScene {
  protected:
    void SetUp() override {
        MysqlScene::SetUp();
        if (IsSkipped()) return;
        name_ = name_of_this_machine(address_);
        if (name_.empty()) GTEST_SKIP() << "this machine's name does not lead to it";
        shell(
            "chmod 755 . && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30"
            " -subj '/CN=authority of the test'"
            " && openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 30"
            " -subj '/CN=another authority' && mkdir store && cp ca.pem store/ && openssl rehash store");
        certificate("right", "DNS:" + name_, 30);
        certificate("stranger", "DNS:other.example", 30);
        certificate("expired", "DNS:" + name_, -1);
        certificate("client", "DNS:client.example", 30);
        shell("chmod 644 *.key");
        restarted_ = true;
    }
    void TearDown() override {
        if (restarted_) admin.server("restart");
        MysqlScene::TearDown();
    }

    void shell(const std::string& command) const {
        ASSERT_EQ(std::system(fmt::format("cd {} && ( {} ) >/dev/null 2>&1", directory, command).c_str()), 0)
            << command;
    }
    void certificate(const std::string& file, const std::string& name, int days) const {
        shell(fmt::format(
            "openssl req -newkey rsa:2048 -nodes -keyout {0}.key -out {0}.csr -subj '/CN=server'"
            " && printf 'subjectAltName={1}' > {0}.ext && openssl x509 -req -in {0}.csr -CA ca.pem"
            " -CAkey ca.key -CAcreateserial -out {0}.pem -days {2} -extfile {0}.ext",
            file, name, days));
    }
    void serve_with(const std::string& file) const {
        admin.server(
            fmt::format("restart ssl-cert={0}/{1}.pem ssl-key={0}/{1}.key ssl-ca={0}/ca.pem "
                        "bind-address={2}",
                        directory, file, address_));
    }
    // The answer of a table whose file is new each time.
    std::string with(const std::string& rest, const std::string& query = "SHOW STATUS LIKE 'Ssl_version'") {
        const auto lookup = ask(
            table_at(name_ + ":" + admin.port, rest + "\nquery = " + query, fmt::format("t{}.cf", ++count_)),
            "x");
        took_ = lookup.took;
        return lookup.status == Status::ok ? lookup.value : "RETRY";
    }
    std::string verify(const std::string& ca = "ca.pem") const {
        return fmt::format("tls_CAfile = {}/{}\ntls_verify_cert = yes", directory, ca);
    }

    bool restarted_ = false;
    std::string name_;
    std::string address_;
    int count_ = 0;
    Duration took_{};
};

TEST_F(MysqlTls, CertificatesAreVerified) {
    settings.lookup_timeout = 10s;
    settings.connect_timeout = 9s;
    struct Row {
        const char* certificate;
        std::string rest;
        bool good;
    };
    const auto ca = fmt::format("tls_CAfile = {}/ca.pem", directory);
    // An option file does not take back what the table file asks for.
    std::ofstream(directory + "/lax.cnf") << "[client]\nssl-verify-server-cert=0\nlocal-infile=1\n";
    const Row rows[] = {
        {"right", verify(), true},
        {"right", verify("other.pem"), false},
        {"right", fmt::format("tls_CApath = {}/store\ntls_verify_cert = yes", directory), true},
        {"right", "tls_verify_cert = yes", false},  // the system's authorities do not know it
        {"right", ca + "\ntls_verify_cert = no", true},
        {"right", verify() + "\ntls_ciphers = ECDHE-RSA-AES256-GCM-SHA384", true},
        {"right",
         verify() + fmt::format("\ntls_cert_file = {0}/client.pem\ntls_key_file = {0}/client.key", directory),
         true},
        {"right", verify() + "\ntls_cert_file = /nowhere.pem\ntls_key_file = /nowhere.key", false},
        {"right", verify() + "\ntls_ciphers = NO-SUCH-CIPHER", false},
        {"right", verify() + "\noption_file = " + directory + "/lax.cnf", true},
        {"stranger", verify(), false},
        {"stranger", ca + "\ntls_verify_cert = no", true},
        {"stranger", verify() + "\noption_file = " + directory + "/lax.cnf", false},
        {"expired", verify(), false},
    };
    std::string serving;
    for (const auto& row : rows) {
        if (serving != row.certificate) serve_with(serving = row.certificate);
        const auto got = with(row.rest);
        if (row.good) {
            EXPECT_TRUE(got.starts_with("Ssl_version,TLSv1.")) << row.certificate << "\n"
                                                               << row.rest << "\n"
                                                               << got;
        } else {
            EXPECT_EQ(got, "RETRY") << row.certificate << "\n" << row.rest;
            EXPECT_LT(took_, 5s) << row.certificate << "\n" << row.rest;
        }
        if (HasFailure()) FAIL() << recorded.text();
    }
}

TEST_F(MysqlTls, AServerWithoutTls) {
    admin.server("restart skip-ssl bind-address=" + address_);
    settings.lookup_timeout = 10s;
    EXPECT_EQ(with(verify()), "RETRY");
    EXPECT_LT(took_, 5s) << recorded.text();
    EXPECT_EQ(with("tls_verify_cert = no", "SELECT 'in'"), "in");
    EXPECT_EQ(with("", "SELECT 'in'"), "in");
}

TEST_F(MysqlTls, AClientCertificateThatTheServerAsksFor) {
    serve_with("right");
    admin.each({"CREATE OR REPLACE USER 'certified'@'%' IDENTIFIED BY 'c' REQUIRE X509",
                "GRANT SELECT ON *.* TO 'certified'@'%'"});
    const auto at = name_ + ":" + admin.port;
    EXPECT_EQ(answer(table_of({"certified", "c"}, at, verify() + "\nquery = SELECT 'in'", "without.cf"), "x"),
              "RETRY");
    EXPECT_EQ(
        answer(table_of(
                   {"certified", "c"}, at,
                   verify() + fmt::format("\ntls_cert_file = {0}/client.pem\ntls_key_file = {0}/client.key\n"
                                          "query = SELECT 'in'",
                                          directory),
                   "cert.cf"),
               "x"),
        "in")
        << recorded.text();
}

// Nothing else waits while an encrypted connection does.
TEST_F(MysqlTls, QueriesDoNotHoldUpEachOther) {
    serve_with("right");
    const auto slow =
        table_at(name_ + ":" + admin.port, verify() + "\nquery = SELECT SLEEP(2), '%s'", "slow.cf");
    const auto quick = table_at(name_ + ":" + admin.port, verify() + "\n" + by_address_mysql, "quick.cf");
    EXPECT_EQ(answer(quick, "alice@example.com"), "alice1@dest.example") << recorded.text();
    const auto begin = Clock::now();
    std::vector<std::shared_ptr<Lookup>> waiting;
    for (int i = 0; i < 3; ++i) waiting.push_back(start(slow, fmt::format("k{}", i)));
    for (int i = 0; i < 20; ++i) {
        const auto lookup = ask(quick, "alice@example.com");
        EXPECT_EQ(lookup.status, Status::ok);
        EXPECT_LT(lookup.took, 1500ms);
    }
    EXPECT_LT(Clock::now() - begin, 1800ms);
    EXPECT_TRUE(run_until([&] {
        return std::all_of(waiting.begin(), waiting.end(), [](const auto& one) { return one->answers > 0; });
    }));
    for (const auto& one : waiting) EXPECT_EQ(one->status, Status::ok);
    const auto large =
        table_at(name_ + ":" + admin.port, verify() + "\nquery = SELECT REPEAT('%s', 500)", "large.cf");
    EXPECT_EQ(answer(large, std::string(100, 'x')), std::string(50000, 'x'));
}

}  // namespace
}  // namespace proxyd
