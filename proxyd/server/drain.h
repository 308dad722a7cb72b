// The end of a server: how long it waits for its clients, and when it has finished.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "backends/event/loop.h"

namespace proxyd::server {

class Drain {
  public:
    enum class Clients : std::uint8_t {
        if_quiet,  // those that have asked nothing for a moment are closed
        all,       // each is closed after its last reply: the time is nearly over
    };
    struct Events {
        // Closes clients. Returns the number of those that are left. Called every few milliseconds.
        std::function<std::size_t(Clients which)> close_clients;
        std::function<void(std::size_t left)> finished;  // none is left, or the time is over
    };

    // The loop outlives the drain.
    Drain(Loop& loop, Events events);

    // Begins, in the loop's next turn; a second call changes nothing. `finished` is called within `limit`,
    // once.
    void start(Duration limit);

    // Shortens a drain that has begun to `limit` from now, because all of Postfix or the machine may be
    // stopping.
    void hurry(Duration limit);
    // Whether it was shortened; also when it has finished.
    [[nodiscard]] bool hurries() const { return hurries_; }

  private:
    enum class State : std::uint8_t {
        none,      // the server serves
        waiting,   // for the clients
        finished,  // no client is left, or the time is over
    };
    void step();

    Loop& loop_;
    Events events_;
    State state_ = State::none;
    bool hurries_ = false;
    TimePoint ends_{};
    std::unique_ptr<Timer> timer_;
};

}  // namespace proxyd::server
