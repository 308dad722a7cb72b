// The messages to a service manager (sd_notify(3)): none, when none has started this process.
#pragma once

#include <memory>
#include <string>

#include "backends/event/loop.h"

namespace proxyd::master {

class ServiceManager {
  public:
    // If the manager watches (WATCHDOG_USEC), the loop notifies it twice in each of its intervals from now
    // on. A stuck loop falls silent.
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
