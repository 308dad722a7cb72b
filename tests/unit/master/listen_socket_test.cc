#include "proxyd/master/listen_socket.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxyd/master/socket_activation.h"

namespace proxyd::master {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class ListenSocketTest : public testing::Test {
  protected:
    ListenSocketTest() {
        std::string name = "/tmp/proxyd_listen_XXXXXX";
        directory_ = ::mkdtemp(name.data());
        path_ = directory_ + "/s";
    }
    ~ListenSocketTest() override { fs::remove_all(directory_); }

    static int raw_socket(const std::string& path, int type) {
        const int fd = ::socket(AF_UNIX, type, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
        EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        return fd;
    }
    static bool answers(const std::string& path) {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
        const bool ok = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
        const int error = errno;
        ::close(fd);
        errno = error;
        return ok;
    }
    static std::string error_of(const std::string& path) {
        try {
            const ListenSocket socket(path);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "accepted";
    }

    std::string directory_;
    std::string path_;
};

TEST_F(ListenSocketTest, ListensAndCleansUp) {
    {
        const mode_t before = ::umask(022);
        const ListenSocket socket(path_);
        EXPECT_EQ(::umask(before), 022U) << "the umask is as it was";
        EXPECT_TRUE(answers(path_));
        struct stat status {};
        ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777, 0660U);
        EXPECT_NE(::fcntl(socket.fd(), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_EQ(::fcntl(socket.fd(), F_GETFD), FD_CLOEXEC);
    }
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(ListenSocketTest, ModeIsExactWhateverTheUmask) {
    const mode_t before = ::umask(077);
    const ListenSocket socket(path_, 0666);
    ::umask(before);
    struct stat status {};
    ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0666U);
}

TEST_F(ListenSocketTest, AStaleSocketIsReplaced) {
    ::close(raw_socket(path_, SOCK_STREAM));
    ASSERT_TRUE(fs::exists(path_));
    const ListenSocket socket(path_);
    EXPECT_TRUE(answers(path_));
}

TEST_F(ListenSocketTest, ASocketInUseIsNot) {
    const ListenSocket first(path_);
    EXPECT_THAT(error_of(path_), HasSubstr("another process answers there"));
    EXPECT_TRUE(answers(path_));
}

TEST_F(ListenSocketTest, ABusySocketIsInUseToo) {
    const int busy = raw_socket(path_, SOCK_STREAM);
    ASSERT_EQ(::listen(busy, 0), 0);
    const int waiting = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, path_.size());
    ASSERT_EQ(::connect(waiting, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_THAT(error_of(path_), HasSubstr("another process answers there"));
    ::close(waiting);
    ::close(busy);
}

TEST_F(ListenSocketTest, NothingButASocketIsRemoved) {
    std::ofstream(path_) << "precious";
    EXPECT_THAT(error_of(path_), HasSubstr("not a socket"));
    EXPECT_EQ(fs::file_size(path_), 8U);
    fs::remove(path_);

    fs::create_directory(path_);
    EXPECT_THAT(error_of(path_), HasSubstr("not a socket"));
    fs::remove(path_);

    ::close(raw_socket(directory_ + "/target", SOCK_STREAM));
    fs::create_symlink(directory_ + "/target", path_);
    EXPECT_THAT(error_of(path_), HasSubstr("symbolic link"));
    EXPECT_TRUE(fs::is_symlink(path_));
    EXPECT_TRUE(fs::exists(directory_ + "/target"));
    fs::remove(path_);

    const int datagram = raw_socket(path_, SOCK_DGRAM);
    EXPECT_THAT(error_of(path_), HasSubstr("cannot be tested"));
    EXPECT_TRUE(fs::exists(path_));
    ::close(datagram);
}

TEST_F(ListenSocketTest, AStaleSocketOfAnotherUserIsNotReplaced) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ::close(raw_socket(path_, SOCK_STREAM));
    ASSERT_EQ(::lchown(path_.c_str(), 54321, 54321), 0);
    EXPECT_THAT(error_of(path_), HasSubstr("another user (id 54321)"));
    EXPECT_TRUE(fs::exists(path_));
}

TEST_F(ListenSocketTest, AnothersLinkInADirectoryOpenToAllIsNotFollowed) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const auto open = directory_ + "/open";
    const auto link = open + "/link";
    fs::create_directory(open);
    fs::create_directory(directory_ + "/target");
    ASSERT_EQ(::chmod(open.c_str(), 01777), 0);
    fs::create_symlink(directory_ + "/target", link);
    EXPECT_EQ(error_of(link + "/s"), "accepted") << "our own";
    ASSERT_EQ(::lchown(link.c_str(), 54321, 54321), 0);
    EXPECT_THAT(error_of(link + "/s"), HasSubstr(link + " is a symbolic link that another user (id 54321)"));
    EXPECT_TRUE(fs::is_empty(directory_ + "/target"));
    ASSERT_EQ(::chmod(open.c_str(), 0755), 0);
    EXPECT_EQ(error_of(link + "/s"), "accepted") << "whoever may write there is trusted";
}

TEST_F(ListenSocketTest, WhoFindsItCanConnect) {
    constexpr int rounds = 500;
    const auto path = [this](int round) { return path_ + std::to_string(round); };
    std::atomic<int> wanted{0};
    int refused = 0;
    std::thread client([&] {
        for (; wanted < rounds; ++wanted) {
            while (!answers(path(wanted))) refused += errno == ECONNREFUSED ? 1 : 0;
        }
    });
    std::vector<std::unique_ptr<ListenSocket>> sockets;
    for (int round = 0; round < rounds; ++round) {
        while (wanted < round) std::this_thread::yield();
        sockets.push_back(std::make_unique<ListenSocket>(path(round)));
    }
    client.join();
    EXPECT_EQ(refused, 0);
    const auto names = std::distance(fs::directory_iterator(directory_), fs::directory_iterator());
    EXPECT_EQ(names, rounds) << "and nothing else is left";
}

// The directory is open to all users, like /tmp.
TEST_F(ListenSocketTest, NobodyCanTakeTheNameThatItIsMadeUnder) {
    const auto taken = directory_ + "/." + std::to_string(::getpid());
    const auto new_name = path_ + ".new";
    std::ofstream(taken) << "another's";
    std::ofstream(new_name) << "another's";
    const ListenSocket socket(path_);
    const ListenSocket control(path_ + "-control", 0600, ListenSocket::Existing::replaced);
    EXPECT_TRUE(answers(path_));
    EXPECT_TRUE(answers(path_ + "-control"));
    EXPECT_EQ(fs::file_size(taken) + fs::file_size(new_name), 18U);
}

TEST_F(ListenSocketTest, OneInUseIsReplacedOnRequest) {
    ListenSocket first(path_);
    const ListenSocket second(path_, 0600, ListenSocket::Existing::replaced);
    first.close();
    EXPECT_TRUE(answers(path_));
    const auto names = std::distance(fs::directory_iterator(directory_), fs::directory_iterator());
    EXPECT_EQ(names, 1) << "and nothing else is left";
}

// An administrator or another user has put something there.
TEST_F(ListenSocketTest, NothingButASocketIsReplacedOnRequest) {
    const auto replace = [](const std::string& path) {
        try {
            const ListenSocket socket(path, 0600, ListenSocket::Existing::replaced);
            return std::string("accepted");
        } catch (const std::runtime_error& error) {
            return std::string(error.what());
        }
    };
    const auto file = directory_ + "/file";
    std::ofstream(file) << "a letter";
    EXPECT_EQ(replace(file), "listen on " + file + ": exists and is not a socket; not removed");
    EXPECT_EQ(fs::file_size(file), 8U);
    const auto link = directory_ + "/link";
    fs::create_symlink(file, link);
    EXPECT_EQ(replace(link), "listen on " + link + ": exists and is a symbolic link; not followed");
    const auto folder = directory_ + "/folder";
    fs::create_directory(folder);
    EXPECT_EQ(replace(folder), "listen on " + folder + ": exists and is not a socket; not removed");
    EXPECT_TRUE(fs::is_symlink(link) && fs::is_directory(folder));
    if (geteuid() != 0) return;
    const ListenSocket socket(path_);
    ASSERT_EQ(chown(path_.c_str(), 12345, 12345), 0);
    EXPECT_THAT(replace(path_), HasSubstr("belongs to another user"));
}

TEST_F(ListenSocketTest, TheLongestPath) {
    const auto directory = directory_ + "/" + std::string(104 - directory_.size(), 'd');
    fs::create_directory(directory);
    const auto path = directory + "/s";
    ASSERT_EQ(path.size(), 107U);
    {
        const ListenSocket socket(path);
        EXPECT_TRUE(answers(path));
    }
    EXPECT_TRUE(fs::is_empty(directory));
}

TEST_F(ListenSocketTest, ImpossiblePathsAreExplained) {
    EXPECT_THAT(error_of(directory_ + "/" + std::string(200, 'x')), HasSubstr("107 at most"));
    EXPECT_THAT(error_of(""), HasSubstr("empty"));
    EXPECT_THAT(error_of(directory_ + "/no/such"), HasSubstr("No such file"));
    const auto longest = directory_ + "/" + std::string(107 - directory_.size() - 1, 'x');
    EXPECT_EQ(error_of(longest), "accepted");
}

TEST_F(ListenSocketTest, ASuccessorsSocketIsLeftAlone) {
    auto first = std::make_unique<ListenSocket>(path_);
    fs::rename(path_, directory_ + "/old");
    const ListenSocket second(path_);
    first.reset();
    EXPECT_TRUE(answers(path_));
}

TEST_F(ListenSocketTest, CloseIsOnce) {
    ListenSocket socket(path_);
    socket.close();
    EXPECT_EQ(socket.fd(), -1);
    const ListenSocket second(path_);
    socket.close();
    EXPECT_TRUE(answers(path_));
}

std::vector<int> activated(const std::map<std::string, std::string>& variables, pid_t self) {
    return activated_sockets(
        [&variables](const char* name) -> const char* {
            const auto found = variables.find(name);
            return found == variables.end() ? nullptr : found->second.c_str();
        },
        self);
}

TEST(SocketActivation, IsForTheProcessItNames) {
    EXPECT_TRUE(activated({}, 42).empty());
    EXPECT_TRUE(activated({{"LISTEN_PID", "41"}, {"LISTEN_FDS", "1"}}, 42).empty());
    EXPECT_TRUE(activated({{"LISTEN_PID", "42"}}, 42).empty());
    EXPECT_TRUE(activated({{"LISTEN_PID", "42"}, {"LISTEN_FDS", "0"}}, 42).empty());
    EXPECT_THROW((void)activated({{"LISTEN_PID", "x"}, {"LISTEN_FDS", "1"}}, 42), std::runtime_error);
    EXPECT_THROW((void)activated({{"LISTEN_PID", "42"}, {"LISTEN_FDS", "-1"}}, 42), std::runtime_error);
    EXPECT_THROW((void)activated({{"LISTEN_PID", "42"}, {"LISTEN_FDS", "99999"}}, 42), std::runtime_error);
}

TEST_F(ListenSocketTest, AnActivatedSocketIsTaken) {
    const ListenSocket socket(path_);
    const pid_t child = ::fork();
    if (child == 0) {
        // dup2 clears close-on-exec, as a service manager does.
        const int spare = ::fcntl(socket.fd(), F_DUPFD, 50);
        ::dup2(spare, 3);
        int status = 1;
        try {
            const auto got = activated({{"LISTEN_PID", "42"}, {"LISTEN_FDS", "1"}}, 42);
            status = got == std::vector<int>{3} && ::fcntl(3, F_GETFD) == FD_CLOEXEC ? 0 : 2;
        } catch (const std::exception&) {
        }
        ::close(3);
        try {
            (void)activated({{"LISTEN_PID", "42"}, {"LISTEN_FDS", "1"}}, 42);
            status = 3;
        } catch (const std::runtime_error&) {
        }
        ::_exit(status);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace proxyd::master
