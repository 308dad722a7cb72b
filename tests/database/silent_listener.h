// A port that takes connections and never says a word.
#pragma once

#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace proxyd {

class SilentListener {
  public:
    SilentListener(const std::string& address, const std::string& port)
        : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in place{};
        place.sin_family = AF_INET;
        place.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
        EXPECT_EQ(inet_pton(AF_INET, address.c_str(), &place.sin_addr), 1);
        const int on = 1;
        (void)setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&place), sizeof place), 0) << address;
        EXPECT_EQ(listen(fd_, 100), 0);
    }
    ~SilentListener() { close(fd_); }
    SilentListener(const SilentListener&) = delete;
    SilentListener& operator=(const SilentListener&) = delete;

  private:
    int fd_;
};

}  // namespace proxyd
