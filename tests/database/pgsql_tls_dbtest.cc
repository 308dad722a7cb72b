// TLS to a PostgreSQL server as table files ask for it, by a certificate authority of the test's own.
#include "tests/database/pgsql_scene.h"

namespace proxyd {
namespace {

class PgsqlTls : public PgsqlScene {
  protected:
    void SetUp() override {
        PgsqlScene::SetUp();
        if (IsSkipped()) return;
        // The server refuses a key that others than its user can read.
        shell(fmt::format(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30"
            " -subj '/CN=authority of the test'"
            " && openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem"
            " -days 30 -subj '/CN=another authority'"
            " && openssl req -newkey rsa:2048 -nodes -keyout right.key -out right.csr -subj '/CN=s'"
            " && printf 'subjectAltName=DNS:localhost' > right.ext"
            " && openssl x509 -req -in right.csr -CA ca.pem -CAkey ca.key -CAcreateserial"
            " -out right.pem -days 2 -extfile right.ext"
            " && cp right.pem right.key {0}/ && chown --reference={0} {0}/right.*"
            " && chmod 600 {0}/right.key",
            admin.data));
        admin.server("restart ssl=on ssl-cert-file=right.pem ssl-key-file=right.key");
        restarted_ = true;
    }
    void TearDown() override {
        if (restarted_) admin.server("restart");
        PgsqlScene::TearDown();
    }

    void shell(const std::string& command) const {
        ASSERT_EQ(std::system(fmt::format("cd {} && ( {} ) >/dev/null 2>&1", directory, command).c_str()), 0)
            << command;
    }
    // Whether the connection that a table with this text makes is encrypted, or RETRY.
    std::string encrypted(const std::string& text) {
        const auto file =
            write(fmt::format("t{}.cf", ++count_),
                  text + "\nquery = SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()\n");
        return answer("pgsql:" + file, "x");
    }
    [[nodiscard]] std::string by_text(const std::string& host, const std::string& ca) const {
        return fmt::format(
            "hosts = {}:{}\nuser = postgres\ndbname = dbname={} sslmode=verify-full sslrootcert={}/{}", host,
            admin.port, dbname, directory, ca);
    }
    [[nodiscard]] std::string by_uri(const std::string& host, const std::string& ca) const {
        return fmt::format("hosts = postgresql://postgres@{}:{}/{}?sslmode=verify-full&sslrootcert={}/{}",
                           host, admin.port, dbname, directory, ca);
    }

    bool restarted_ = false;
    int count_ = 0;
};

TEST_F(PgsqlTls, CertificatesAreVerifiedByTextAndByUri) {
    settings.connect_timeout = 9s;
    EXPECT_EQ(encrypted(by_text("localhost", "ca.pem")), "t") << recorded.text();
    EXPECT_EQ(encrypted(by_uri("localhost", "ca.pem")), "t") << recorded.text();
    settings.lookup_timeout = 60s;
    // Signed by somebody else, or for another name.
    for (const auto& text : {by_text("localhost", "other.pem"), by_uri("localhost", "other.pem"),
                             by_text("127.0.0.1", "ca.pem"), by_uri("127.0.0.1", "ca.pem")}) {
        EXPECT_EQ(encrypted(text), "RETRY") << text;
    }
    for (const char* setting :
         {"sslrootcert=/nowhere/ca.pem", "ssl_min_protocol_version=TLSv9", "channel_binding=require"}) {
        EXPECT_EQ(encrypted(fmt::format("hosts = 127.0.0.1:{}\nuser = postgres\ndbname = dbname={} "
                                        "sslmode=verify-ca sslrootcert={}/ca.pem {}",
                                        admin.port, dbname, directory, setting)),
                  "RETRY")
            << setting;
    }
    // Each failed at once, not when its time was over.
    EXPECT_EQ(recorded.text().find("no answer within"), std::string::npos) << recorded.text();
}

// What check warns of: such a parameter is none, so that nobody's certificate is looked at.
TEST_F(PgsqlTls, ParametersOfMysqlVerifyNothing) {
    const auto text = fmt::format("hosts = 127.0.0.1:{}\nuser = postgres\ndbname = {}\n", admin.port, dbname);
    EXPECT_EQ(encrypted(text + "tls_verify_cert = yes\ntls_CAfile = " + directory + "/other.pem"), "t");
}

}  // namespace
}  // namespace proxyd
