// One end of a log socket: sends datagrams and never waits.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "backends/event/clock.h"

namespace proxyd::logging {

// Connects to the AF_UNIX datagram socket at `path` when constructed (so before a chroot), and again, at most
// once a second, when the receiver was replaced.
class DatagramSender {
  public:
    using Now = std::function<TimePoint()>;

    explicit DatagramSender(std::string path, Now now = Clock::now);
    ~DatagramSender();
    DatagramSender(const DatagramSender&) = delete;
    DatagramSender& operator=(const DatagramSender&) = delete;

    // False: not sent (the receiver is away or does not keep up). The datagram is not kept.
    [[nodiscard]] bool send(std::string_view datagram);

    // The errno of the last failed attempt to connect, or 0 while connected.
    [[nodiscard]] int connect_error() const { return connect_error_; }

    // Tells that the process is now in a chroot at `root`. A path below it is looked up inside from now on.
    void entered_chroot(std::string_view root);

  private:
    void connect();
    void disconnect();

    std::string path_;
    Now now_;
    int fd_ = -1;
    int connect_error_ = 0;
    TimePoint last_attempt_;
};

// `path` as seen in a chroot at `root`; unchanged when it is not below it.
[[nodiscard]] std::string path_in_chroot(std::string_view path, std::string_view root);

}  // namespace proxyd::logging
