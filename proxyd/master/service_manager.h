// What a service manager hears from this process (sd_notify(3)): nothing, when none has started it.
#pragma once

#include <memory>
#include <string>

#include "backends/event/loop.h"

namespace proxyd::master {

class ServiceManager {
  public:
    // When the manager watches (WATCHDOG_USEC), it hears from the loop twice in each of its intervals from
    // now on: a loop that is stuck falls silent.
    explicit ServiceManager(Loop& loop);

    // `status` is for people, one line.
    void ready(const std::string& status);
    void reloading();  // until ready()
    void stopping();

  private:
    Duration keepalive_interval_{};
    std::unique_ptr<Timer> keepalive_;
};

}  // namespace proxyd::master
