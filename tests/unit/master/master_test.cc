// The daemon's interface with master(8) and the system, over real descriptors.
#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxyd/master/descriptors.h"
#include "proxyd/master/privileges.h"
#include "proxyd/master/process_limits.h"
#include "proxyd/master/single_process.h"
#include "proxyd/master/status_channel.h"

namespace proxyd::master {
namespace {

using std::chrono::seconds;

// Runs `body` in its own process; returns its result as the exit status, 99 for an exception.
int in_child(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
        int status = 99;
        try {
            status = body();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "child: %s\n", error.what());
        }
        ::_exit(status);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(StatusRecordTest, HasTheBytesMasterReads) {
    const std::array<unsigned char, 12> taken = {0xd3, 0x17, 0, 0, 0x89, 0, 0, 0, 0, 0, 0, 0};
    auto available = taken;
    available[8] = 1;
    const auto same = [](const StatusRecord& record, const std::array<unsigned char, 12>& bytes) {
        return std::memcmp(record.data(), bytes.data(), bytes.size()) == 0;
    };
    EXPECT_TRUE(same(status_record(6099, 0211, Availability::taken), taken));
    EXPECT_TRUE(same(status_record(6099, 0211, Availability::available), available));
}

class StatusChannelTest : public testing::Test {
  protected:
    StatusChannelTest() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()), 0); }
    ~StatusChannelTest() override {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }

    // The next record that master(8) reads: 0 taken, 1 available, -1 no record.
    int next() {
        StatusRecord record{};
        if (::recv(ends_[1], record.data(), record.size(), MSG_DONTWAIT) != 12) {
            return -1;
        }
        return static_cast<int>(record[8]);
    }
    void fill() {
        std::array<char, 1000> junk{};
        while (::send(ends_[0], junk.data(), junk.size(), MSG_DONTWAIT) > 0) {
        }
    }
    void empty() {
        std::array<char, 1000> junk{};
        while (::recv(ends_[1], junk.data(), junk.size(), MSG_DONTWAIT) > 0) {
        }
    }

    std::array<int, 2> ends_{};
};

TEST_F(StatusChannelTest, OnePairInTheLifeOfTheProcess) {
    StatusChannel channel(ends_[0], 1, 1);
    EXPECT_FALSE(channel.use_reported());
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(channel.report_use(), StatusOutcome::sent);
    }
    EXPECT_TRUE(channel.use_reported());
    EXPECT_EQ(next(), 0);
    EXPECT_EQ(next(), 1);
    EXPECT_EQ(next(), -1);
}

TEST_F(StatusChannelTest, NeverWaitsForMasterAndLeavesTheDescriptorBlocking) {
    StatusChannel channel(ends_[0], 1, 1);
    fill();
    EXPECT_EQ(channel.report_use(), StatusOutcome::not_now);
    EXPECT_EQ(::fcntl(ends_[0], F_GETFL) & O_NONBLOCK, 0);
    empty();
    EXPECT_EQ(channel.available(), StatusOutcome::sent);
}

// Otherwise master(8) would count this process as taken for a minute and start another one.
TEST_F(StatusChannelTest, AnAvailableThatDidNotFitIsMadeUpForAtTheNextRequest) {
    const auto record = status_record(1, 1, Availability::available);
    while (::send(ends_[0], record.data(), record.size(), MSG_DONTWAIT) > 0) {
    }
    ASSERT_EQ(next(), 1) << "room for exactly one record";
    StatusChannel channel(ends_[0], 1, 1);
    EXPECT_EQ(channel.report_use(), StatusOutcome::not_now);
    int last = -1;
    for (int got = next(); got >= 0; got = next()) {
        last = got;
    }
    ASSERT_EQ(last, 0) << "taken went through";
    EXPECT_EQ(channel.report_use(), StatusOutcome::sent);
    EXPECT_EQ(next(), 1);
    EXPECT_EQ(next(), -1);
}

TEST_F(StatusChannelTest, TellsThatMasterIsGoneWithoutASignal) {
    StatusChannel channel(ends_[0], 1, 1);
    ::close(ends_[1]);
    EXPECT_EQ(channel.report_use(), StatusOutcome::master_gone);
    ends_[1] = -1;
}

// Sets up descriptors 3 to 6 as master(8) does.
void like_master() {
    std::array<int, 2> pair{};
    std::array<int, 2> flow{};
    if (::pipe(flow.data()) != 0 || ::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) != 0) {
        throw std::runtime_error("setup");
    }
    const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr anonymous{AF_UNIX, {}};
    ::bind(listener, &anonymous, sizeof(sa_family_t));
    ::listen(listener, 5);
    const std::array<int, 4> from = {flow[0], flow[1], pair[0], listener};
    std::array<int, 4> high{};
    for (std::size_t i = 0; i < from.size(); ++i) {
        high[i] = ::fcntl(from[i], F_DUPFD, 50);
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
        ::dup2(high[i], static_cast<int>(i) + 3);
    }
}

TEST(Descriptors, AreAdopted) {
    EXPECT_EQ(in_child([] {
                  like_master();
                  const auto sockets = adopt_inherited(1);
                  if (sockets != std::vector<int>{6}) return 1;
                  if (::fcntl(3, F_GETFD) >= 0 || ::fcntl(4, F_GETFD) >= 0) return 2;
                  if (::fcntl(5, F_GETFD) != FD_CLOEXEC || ::fcntl(6, F_GETFD) != FD_CLOEXEC) return 3;
                  if ((::fcntl(6, F_GETFL) & O_NONBLOCK) == 0) return 4;
                  return 0;
              }),
              0);
}

TEST(Descriptors, WrongOnesAreNamed) {
    const auto complains = [](const std::function<void()>& spoil, int sockets, const char* part) {
        return in_child([&] {
            like_master();
            spoil();
            try {
                (void)adopt_inherited(sockets);
            } catch (const std::runtime_error& error) {
                return std::strstr(error.what(), part) != nullptr ? 0 : 1;
            }
            return 2;
        });
    };
    EXPECT_EQ(complains([] { ::close(5); }, 1, "descriptor 5 (status channel)"), 0);
    EXPECT_EQ(complains([] { ::dup2(3, 5); }, 1, "descriptor 5 (status channel) is not a socket"), 0);
    EXPECT_EQ(complains([] { ::close(6); }, 1, "descriptor 6 (listen socket)"), 0);
    EXPECT_EQ(complains([] { ::dup2(5, 6); }, 1, "descriptor 6 is a socket that does not listen"), 0);
    EXPECT_EQ(complains([] { ::close(7); }, 2, "descriptor 7 (listen socket)"), 0);
}

TEST(ProcessLimits, AreSet) {
    EXPECT_EQ(in_child([] {
                  rlimit limit{};
                  ::getrlimit(RLIMIT_NOFILE, &limit);
                  limit.rlim_cur = 64;
                  ::setrlimit(RLIMIT_NOFILE, &limit);
                  if (raise_descriptor_limit() != limit.rlim_max) return 1;
                  ::getrlimit(RLIMIT_NOFILE, &limit);
                  if (limit.rlim_cur != limit.rlim_max) return 2;
                  ignore_signals();
                  ::raise(SIGPIPE);
                  ::raise(SIGXFSZ);
                  if (!forbid_memory_dumps()) return 3;
                  ::getrlimit(RLIMIT_CORE, &limit);
                  if (limit.rlim_max != 0 || ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) return 4;
                  return 0;
              }),
              0);
}

TEST(Privileges, UnknownAndPrivilegedOwnersAreRefused) {
    EXPECT_THROW((void)find_account("no-such-user-here"), std::runtime_error);
    EXPECT_THROW((void)find_account("root"), std::runtime_error);
    EXPECT_GT(find_account("nobody").uid, 0U);
}

TEST(Privileges, AreGivenUpForGoodAndInsideTheJail) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root";
    }
    const auto account = find_account("nobody");
    EXPECT_EQ(in_child([&account] {
                  const gid_t many[] = {0, 1, 2};
                  if (::setgroups(3, many) != 0) return 1;
                  drop_privileges(account, "/tmp");
                  if (::getuid() != account.uid || ::getegid() != account.gid) return 2;
                  gid_t groups[64];
                  const int count = ::getgroups(64, groups);
                  for (int i = 0; i < count; ++i) {
                      if (groups[i] == 0) return 3;
                  }
                  struct stat root {};
                  struct stat here {};
                  ::stat("/", &root);
                  ::stat(".", &here);
                  if (root.st_ino != here.st_ino || ::access("/etc/passwd", F_OK) == 0) return 4;
                  return ::setuid(0) == 0 ? 5 : 0;
              }),
              0);
    EXPECT_EQ(in_child([&account] {
                  try {
                      drop_privileges(account, "/no/such/directory");
                  } catch (const std::system_error& error) {
                      return std::strstr(error.what(), "chroot(/no/such/directory): No such file") ? 0 : 1;
                  }
                  return 2;
              }),
              0);
}

TEST(Privileges, WithoutRootItIsAnErrorNotASilence) {
    const auto account = find_account("nobody");
    EXPECT_EQ(in_child([&account] {
                  if (::geteuid() == 0 && ::setuid(54321) != 0) return 1;
                  try {
                      drop_privileges(account, {});
                  } catch (const std::system_error&) {
                      return 0;
                  }
                  return 2;
              }),
              0);
}

}  // namespace

TEST(SingleProcessTest, OnePerListenSocket) {
    using std::chrono::milliseconds;
    const auto directory =
        std::filesystem::temp_directory_path() / ("proxyd-single-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory / "pid");
    const int one = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int other = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int one_inherited = ::dup(one);
    {
        const SingleProcess first(directory, "proxymap", one, milliseconds(0));
        EXPECT_TRUE(first.alone());
        EXPECT_FALSE(SingleProcess(directory, "proxymap", one_inherited, milliseconds(0)).alone());
        EXPECT_TRUE(SingleProcess(directory, "proxymap", other, milliseconds(0)).alone())
            << "another service with -n proxymap, or another master";
        EXPECT_TRUE(SingleProcess(directory, "proxywrite", one, milliseconds(0)).alone());
    }
    EXPECT_TRUE(SingleProcess(directory, "proxymap", one, milliseconds(0)).alone()) << "the first has ended";
    for (const int fd : {one, other, one_inherited}) ::close(fd);
    std::filesystem::remove_all(directory);
}

// At a reload the old process ends a moment after the next one has started.
TEST(SingleProcessTest, TheNextOneWaitsForTheEndOfTheLast) {
    const auto directory =
        std::filesystem::temp_directory_path() / ("proxyd-single-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory / "pid");
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::optional<SingleProcess> last(std::in_place, directory, "proxymap", fd, std::chrono::milliseconds(0));
    std::thread end([&last] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        last.reset();
    });
    EXPECT_TRUE(SingleProcess(directory, "proxymap", fd, seconds(20)).alone());
    end.join();
    ::close(fd);
    std::filesystem::remove_all(directory);
}

}  // namespace proxyd::master
