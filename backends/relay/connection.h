// One connection to a stock proxymap server: greeting, then one request at a time and its reply.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backends/event/loop.h"
#include "protocol/client_session.h"
#include "protocol/message.h"

namespace proxyd::relay {

// What the server says when it is connected to.
using protocol::Greeting;

class Connection {
  public:
    // Called with the connection's own stack above them: not to destroy it.
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
    // there but has no room for one more waiting connection.
    [[nodiscard]] int connect(const std::string& path, Greeting greeting);

    // Sends a request, as it is; the reply is decoded in its layout. Only when ready, and the reply to the
    // one before is there. False: the server has closed the connection before, and has got none of it.
    [[nodiscard]] bool send(const protocol::Request& request);

    // No more events.
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
