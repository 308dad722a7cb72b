// A PgBouncer that hands out server connections per transaction stands between proxyd and the database.
#include <csignal>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/database/pgsql_scene.h"

namespace proxyd {
namespace {

int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    (void)bind(fd, reinterpret_cast<sockaddr*>(&address), length);
    (void)getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    close(fd);
    return ntohs(address.sin_port);
}

class Pgbouncer : public PgsqlScene {
  protected:
    void SetUp() override {
        if (access("/usr/sbin/pgbouncer", X_OK) != 0) GTEST_SKIP() << "there is no pgbouncer";
        PgsqlScene::SetUp();
        if (IsSkipped()) return;
        bouncer_port = free_port();
        chmod(directory.c_str(), 0755);
        write("pgbouncer.ini",
              fmt::format("[databases]\n* = host={} port={} user=postgres\n[pgbouncer]\nlisten_addr = "
                          "127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_type = any\npool_mode = "
                          "transaction\ndefault_pool_size = 3\n",
                          admin.socket_directory, admin.port, bouncer_port));
        start_bouncer();
    }
    void TearDown() override {
        stop_bouncer();
        PgsqlScene::TearDown();
    }
    void start_bouncer() {
        process_ = fork();
        if (process_ == 0) {
            const auto file = directory + "/pgbouncer.ini";
            const auto log = directory + "/pgbouncer.log";
            (void)!freopen(log.c_str(), "a", stderr);
            if (geteuid() == 0)
                execl("/usr/sbin/pgbouncer", "pgbouncer", "-q", "-u", "nobody", file.c_str(), nullptr);
            execl("/usr/sbin/pgbouncer", "pgbouncer", "-q", file.c_str(), nullptr);
            _exit(1);
        }
        for (int i = 0; i < 200; ++i) {
            PGconn* probe = PQconnectdb(
                fmt::format("host=127.0.0.1 port={} user=postgres dbname={}", bouncer_port, dbname).c_str());
            const bool there = PQstatus(probe) == CONNECTION_OK;
            PQfinish(probe);
            if (there) return;
            usleep(20000);
        }
        FAIL() << "pgbouncer does not answer";
    }
    void stop_bouncer() {
        if (process_ <= 0) return;
        kill(process_, SIGKILL);
        waitpid(process_, nullptr, 0);
        process_ = 0;
    }
    std::string bounced(const std::string& rest, const std::string& name = "b.cf") {
        return "pgsql:" + write(name, fmt::format("hosts = 127.0.0.1:{}\nuser = postgres\ndbname = {}\n{}\n",
                                                  bouncer_port, dbname, rest));
    }

    int bouncer_port = 0;

  private:
    pid_t process_ = 0;
};

TEST_F(Pgbouncer, PreparedStatementsAreNotUsedAndEveryLookupIsAnswered) {
    const auto name = bounced(by_address);
    const auto other = bounced("query = SELECT number FROM alias WHERE address = '%s'", "n.cf");
    const auto text = bounced("query = SELECT target FROM alias WHERE number = %s", "x.cf");
    std::vector<std::pair<std::shared_ptr<Lookup>, std::string>> all;
    for (int i = 0; i < 200; ++i) {
        all.emplace_back(start(name, "alice@example.com"), "alice1@dest.example");
        all.emplace_back(start(other, "o'brien@example.com"), "2");
        if (i % 10 == 0) all.emplace_back(start(text, "1"), "alice1@dest.example");
        run_for(1ms);
    }
    EXPECT_TRUE(run_until([&] {
        return std::all_of(all.begin(), all.end(), [](const auto& one) { return one.first->answers == 1; });
    }));
    for (const auto& [lookup, expected] : all) {
        EXPECT_EQ(lookup->value, expected);
        EXPECT_LT(lookup->took, 2s);
    }
    EXPECT_NE(recorded.text().find("pooler"), std::string::npos);
}

TEST_F(Pgbouncer, ItsRestartLosesNothing) {
    const auto name = bounced(by_address);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example");
    std::vector<std::shared_ptr<Lookup>> all;
    for (int i = 0; i < 300; ++i) {
        all.push_back(start(name, "alice@example.com"));
        if (i == 100) stop_bouncer();
        if (i == 200) start_bouncer();
        run_for(1ms);
    }
    EXPECT_TRUE(run_until([&] {
        return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->answers == 1; });
    }));
    for (const auto& one : all) EXPECT_EQ(one->status, Status::ok);
}

TEST_F(Pgbouncer, ADatabaseRestartBehindItLosesNothing) {
    const auto name = bounced(by_address);
    EXPECT_EQ(answer(name, "alice@example.com"), "alice1@dest.example");
    std::vector<std::shared_ptr<Lookup>> all;
    for (int i = 0; i < 300; ++i) {
        all.push_back(start(name, "alice@example.com"));
        if (i == 100) admin.server("restart");
        run_for(1ms);
    }
    EXPECT_TRUE(run_until([&] {
        return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->answers == 1; });
    }));
    for (const auto& one : all) EXPECT_EQ(one->status, Status::ok) << recorded.text();
}

}  // namespace
}  // namespace proxyd
