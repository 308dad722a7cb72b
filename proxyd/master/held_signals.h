// The signals for stop and reload, held back until the process can act on them.
#pragma once

#include <csignal>

namespace proxyd::master {

// Blocks SIGTERM, SIGINT and SIGHUP from construction on, so that an early signal neither ends the process
// nor is lost. Construct it before there are threads. A child inherits the block.
class HeldSignals {
  public:
    HeldSignals();
    HeldSignals(const HeldSignals&) = delete;
    HeldSignals& operator=(const HeldSignals&) = delete;

    // Delivers the signals that came meanwhile. Call when the handlers are installed.
    void release() const;

  private:
    sigset_t before_{};
};

}  // namespace proxyd::master
