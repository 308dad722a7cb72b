#include "backends/pgsql/arrival.h"

#include <array>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/event/receive_buffer.h"

namespace proxyd::pgsql {
namespace {

// Two connected sockets.
class Pair {
  public:
    explicit Pair(int domain) {
        if (domain == AF_UNIX) {
            EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()), 0);
            return;
        }
        const int listening = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(bind(listening, any, size), 0);
        EXPECT_EQ(listen(listening, 1), 0);
        EXPECT_EQ(getsockname(listening, any, &size), 0);
        ends_[0] = socket(AF_INET, SOCK_STREAM, 0);
        EXPECT_EQ(connect(ends_[0], any, size), 0);
        ends_[1] = accept(listening, nullptr, nullptr);
        close(listening);
    }
    ~Pair() {
        for (const int end : ends_) close(end);
    }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;

    [[nodiscard]] int ours() const { return ends_[0]; }
    void comes(std::size_t bytes) const {
        EXPECT_EQ(write(ends_[1], std::string(bytes, 'x').data(), bytes), static_cast<ssize_t>(bytes));
    }
    void read(std::size_t bytes) const {
        std::string room(bytes, 0);
        EXPECT_EQ(recv(ends_[0], room.data(), bytes, MSG_WAITALL), static_cast<ssize_t>(bytes));
    }

  private:
    std::array<int, 2> ends_{-1, -1};
};

class ArrivalTest : public testing::TestWithParam<int> {};

TEST_P(ArrivalTest, NeverMoreThanWasRead) {
    const Pair pair(GetParam());
    pair.comes(50000);
    pair.read(20000);  // not part of the answer
    Arrival arrival(pair.ours());
    EXPECT_EQ(arrival.bytes(), 0U);
    std::size_t read = 0;
    for (int turn = 0; turn < 20; ++turn) {
        pair.comes(30000);
        arrival.before_read(pair.ours());
        pair.read(30000);
        arrival.after_read(pair.ours());
        read += 30000;
        EXPECT_LE(arrival.bytes(), read);
        EXPECT_GE(arrival.bytes(), read * 9 / 10);
    }
}

INSTANTIATE_TEST_SUITE_P(Sockets, ArrivalTest, testing::Values(AF_UNIX, AF_INET),
                         [](const auto& one) { return one.param == AF_UNIX ? "Unix" : "Tcp"; });

// Bytes that arrive while a library reads. The count comes from the kernel.
TEST(TcpArrivalTest, CountsWhatComesMeanwhile) {
    const Pair pair(AF_INET);
    Arrival arrival(pair.ours());
    arrival.before_read(pair.ours());
    for (int turn = 0; turn < 64; ++turn) {
        pair.comes(30000);
        pair.read(30000);
    }
    arrival.after_read(pair.ours());
    EXPECT_LE(arrival.bytes(), 64U * 30000);
    EXPECT_GE(arrival.bytes(), 64U * 29000);
}

TEST(ReceiveBufferTest, BoundsWhatWaitsInATcpSocket) {
    const auto size_of = [](int fd) {
        int size = 0;
        socklen_t length = sizeof size;
        EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &length), 0);
        return size;
    };
    const Pair tcp(AF_INET);
    bound_one_read(tcp.ours());
    EXPECT_LE(size_of(tcp.ours()), 262144);
    const Pair local(AF_UNIX);
    const int before = size_of(local.ours());
    bound_one_read(local.ours());
    EXPECT_EQ(size_of(local.ours()), before);
}

}  // namespace
}  // namespace proxyd::pgsql
