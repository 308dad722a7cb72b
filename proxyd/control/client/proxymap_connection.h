// A client's connection to a proxymap service: proxyd, or the stock proxymap(8) of any release. Blocks.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include <sys/un.h>

#include "proxyd/control/client/query.h"

namespace proxyd::control {

class ProxymapConnection {
  public:
    // `socket_hint` tells what to do when nobody is there. `notice` is called once when an answer takes long.
    ProxymapConnection(std::string path, const std::string& socket_hint,
                       std::function<void(const std::string&)> notice);
    ~ProxymapConnection();
    ProxymapConnection(const ProxymapConnection&) = delete;
    ProxymapConnection& operator=(const ProxymapConnection&) = delete;

    // Connects when it is not connected. A service that hangs up instead of answering is asked again, a few
    // times. Throws QueryError.
    [[nodiscard]] Answer ask(const protocol::Request& request);

    // An answer that is not there by then is not waited for: ask() throws.
    void give_up_at(std::chrono::steady_clock::time_point end) { end_ = end; }

    // The same for each request by itself; `reason` is what ask() throws then.
    void give_up_after(std::chrono::milliseconds limit, std::string reason);

    // Once the descriptor is readable nothing is waited for: ask() and wait_for_greeting() throw.
    void give_up_when_readable(int fd) { stop_fd_ = fd; }

    // Connects when it is not connected. Throws QueryError.
    void open();
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }

    // Whether the service has greeted, at the end of the wait at the latest. A service that hangs up is not
    // connected any more.
    [[nodiscard]] bool wait_for_greeting(std::chrono::milliseconds wait);

  private:
    void connect();
    [[nodiscard]] int connect_to(const sockaddr_un& address) const;
    [[nodiscard]] bool stopped() const;
    void disconnect();
    void take_greeting();
    [[nodiscard]] bool send_all(std::string_view bytes);
    [[nodiscard]] bool receive();
    void wait_for_reply();
    [[nodiscard]] bool readable(std::optional<std::chrono::milliseconds> wait) const;

    std::string path_;
    std::string socket_hint_;
    std::function<void(const std::string&)> notice_;
    std::optional<std::chrono::steady_clock::time_point> end_;
    std::optional<std::chrono::milliseconds> limit_;
    std::string reason_ = "no answer comes";
    int fd_ = -1;
    int stop_fd_ = -1;
    bool greeted_ = false;
    std::string in_;
};

}  // namespace proxyd::control
