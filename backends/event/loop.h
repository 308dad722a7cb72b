// The one loop that owns all state: time, timers, descriptors, and work handed over from other threads.
#pragma once

#include <functional>
#include <memory>

#include "backends/event/callback.h"
#include "backends/event/clock.h"

namespace proxyd {

// Fires once per start(). Destroying it stops it; it may be destroyed from inside its own callback.
class Timer {
  public:
    virtual ~Timer() = default;
    virtual void start(Duration after) = 0;  // a running timer is moved
    virtual void stop() = 0;
    [[nodiscard]] virtual bool running() const = 0;
};

// Watches one descriptor, which the caller owns and closes after the watch is gone.
class FdWatch {
  public:
    virtual ~FdWatch() = default;
    virtual void want(bool read, bool write) = 0;
};

struct Ready {
    bool read = false;
    bool write = false;
};

class Loop {
  public:
    virtual ~Loop() = default;

    // The time of this pass of the loop: cheap, and constant during one callback.
    [[nodiscard]] virtual TimePoint now() const = 0;

    [[nodiscard]] virtual std::unique_ptr<Timer> make_timer(std::function<void()> callback) = 0;
    [[nodiscard]] virtual std::unique_ptr<FdWatch> watch(int fd, std::function<void(Ready)> callback) = 0;

    // Runs `work` after the present callback has returned. For destroying an object that is calling us.
    virtual void defer(Callback<void()> work) = 0;

    // For work that takes milliseconds: one piece of it is done in a pass of the loop, and one in the
    // deferred work. False: another piece has been done in this pass; try again in the next one.
    [[nodiscard]] virtual bool take_heavy_turn() = 0;

    // The same as defer() from any thread.
    virtual void post(Callback<void()> work) = 0;
};

}  // namespace proxyd
