// The sockets on which clients connect. Several processes may accept from them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "backends/event/loop.h"

namespace proxyd::server {

class ListenSockets {
  public:
    struct Events {
        // Whether one more client may be accepted now; if not, it logs the reason.
        std::function<bool()> has_room;
        // Whether another process should accept the next client; empty: there is no other one.
        std::function<bool()> yields;
        // A connected client, whose descriptor the callee takes over.
        std::function<void(int fd)> accepted;
    };

    // The loop outlives the sockets.
    ListenSockets(Loop& loop, Events events);
    ~ListenSockets();
    ListenSockets(const ListenSockets&) = delete;
    ListenSockets& operator=(const ListenSockets&) = delete;

    // Accepts clients from a listening, non-blocking descriptor, which it takes over.
    void add(int fd);

    // Accepts no more. The sockets stay open until close(), as the loop may still have to tell the kernel to
    // stop watching them.
    void stop();

    // Closing alone would not stop the kernel's watch: other processes (master, the service manager) hold the
    // same sockets open, and each connection that waits there would keep this process awake. So stop() comes
    // one turn of the loop before.
    void close();

    // Whether a connection waits to be accepted at this moment.
    [[nodiscard]] bool connection_waits() const;

  private:
    struct Socket {
        int fd;
        std::unique_ptr<FdWatch> watch;
    };
    void accept_clients(int fd);
    void pause(Duration length);

    Loop& loop_;
    Events events_;
    std::vector<Socket> sockets_;
    std::unique_ptr<Timer> resume_timer_;
    bool has_yielded_ = false;  // another process had its chance to accept the next client
};

}  // namespace proxyd::server
