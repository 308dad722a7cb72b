// Lines of text between the front process and a serving process, in both directions, over one socket pair.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backends/event/lifetime.h"
#include "backends/event/loop.h"

namespace proxyd::master {

// One end. Never waits. A peer that does not read costs a bounded amount of memory.
class LineLink {
  public:
    struct Events {
        std::function<void(const std::string& line)> came;  // a line, without its end
        // The peer has ended or has closed its direction. Called once; the link may be destroyed in it.
        std::function<void()> ended;
    };

    // Takes over the descriptor, a connected stream socket. The loop outlives the link.
    LineLink(Loop& loop, int fd, Events events);
    ~LineLink();
    LineLink(const LineLink&) = delete;
    LineLink& operator=(const LineLink&) = delete;

    // Sends a line, now or later. False: what the peer has not read yet takes too much; nothing is sent. What
    // is sent after the peer's end is lost.
    bool send(std::string_view line);

    // Shows the end to the peer, whose own end and lines still arrive here.
    void finish();

  private:
    void ready(Ready ready);
    void read();
    void write();
    void end();

    Loop& loop_;
    int fd_;
    Events events_;
    std::unique_ptr<FdWatch> watch_;
    std::string received_;
    std::string unsent_;
    bool ended_ = false;
    Lifetime lifetime_;
};

}  // namespace proxyd::master
