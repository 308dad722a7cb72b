// One connection to a stock proxymap server: the greeting, then one request and its reply at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backends/event/loop.h"
#include "protocol/client_session.h"
#include "protocol/message.h"

namespace proxyd::relay {

// Whether the server sends a greeting on a connection.
using protocol::Greeting;

class Connection {
  public:
    // A callback runs inside the connection: it must not destroy it.
    struct Events {
        std::function<void()> ready;                        // a process has accepted it: requests may be sent
        std::function<void(const protocol::Reply&)> reply;  // the views are readable only during the call
        std::function<void(const std::string& reason)> lost;  // closed, by either side; comes last
    };

    Connection(Loop& loop, Events events);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Begins to connect. Returns 0, and one of the events follows; or errno: EAGAIN means that the server is
    // there but cannot hold one more waiting connection.
    [[nodiscard]] int connect(const std::string& path, Greeting greeting);

    // Sends a request unchanged; the reply is decoded in the request's layout. Only when ready, and after the
    // reply to the previous request. False: the server closed the connection earlier and received nothing of
    // this request.
    [[nodiscard]] bool send(const protocol::Request& request);

    // No event follows.
    void close();

  private:
    void on_ready(Ready what);
    void write_out();
    void read_in();
    void decode();
    void become_ready();
    void lose(const std::string& reason);

    Loop& loop_;
    Events events_;
    int fd_ = -1;
    std::unique_ptr<FdWatch> watch_;
    std::unique_ptr<Timer> greeting_timer_;
    std::string in_;
    protocol::ReplyDecoder decoder_;
    std::string out_;
    bool ready_ = false;
    bool greeted_ = false;
    bool asked_ = false;  // a reply is due
    protocol::Command command_ = protocol::Command::lookup;
    protocol::Layout layout_ = protocol::Layout::flags;
};

}  // namespace proxyd::relay
