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
    // `socket_hint` tells the user what to do when no service listens. `notice` is called once when an answer
    // takes long.
    ProxymapConnection(std::string path, const std::string& socket_hint,
                       std::function<void(const std::string&)> notice);
    ~ProxymapConnection();
    ProxymapConnection(const ProxymapConnection&) = delete;
    ProxymapConnection& operator=(const ProxymapConnection&) = delete;

    // Connects when it is not connected. A service that hangs up instead of answering is asked again, a few
    // times. Throws QueryError.
    [[nodiscard]] Answer ask(const protocol::Request& request);

    // ask() throws when there is no answer by then.
    void give_up_at(std::chrono::steady_clock::time_point end) { end_ = end; }

    // The same with a limit for each request. ask() then throws with `reason`.
    void give_up_after(std::chrono::milliseconds limit, std::string reason);

    // Once the descriptor is readable, ask() and wait_for_greeting() throw instead of waiting.
    void give_up_when_readable(int fd) { stop_fd_ = fd; }

    // Connects when it is not connected. Throws QueryError.
    void open();
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }

    // Waits this long at most for the greeting, and returns whether it has come. Disconnects when the service
    // hangs up.
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
