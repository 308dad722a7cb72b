// The signals that stop the process or have it read its configuration again, until it can act on them.
#pragma once

#include <csignal>

namespace proxyd::master {

// From construction on SIGTERM, SIGINT and SIGHUP wait, so that one that comes early neither ends the process
// nor is lost. To be made before there are threads. A child goes on holding them.
class HeldSignals {
  public:
    HeldSignals();
    HeldSignals(const HeldSignals&) = delete;
    HeldSignals& operator=(const HeldSignals&) = delete;

    // What came meanwhile comes now: to be called when the handlers are there.
    void release() const;

  private:
    sigset_t before_{};
};

}  // namespace proxyd::master
