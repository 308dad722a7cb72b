// The signals that end a program, held back while work must not be left half done.
#pragma once

#include <chrono>

#include <signal.h>

namespace proxyd::control {

// While it exists, SIGINT, SIGTERM and SIGHUP do not end the process; those that have come do not later
// either. One that is ignored anyway, as with nohup(1), stays so. For the only thread of a process.
class HeldSignals {
  public:
    // Throws std::system_error.
    HeldSignals();
    ~HeldSignals();
    HeldSignals(const HeldSignals&) = delete;
    HeldSignals& operator=(const HeldSignals&) = delete;

    // Whether one has come.
    [[nodiscard]] bool came() const { return wait(std::chrono::milliseconds(0)); }

    // The same, after `time` or as soon as one comes.
    [[nodiscard]] bool wait(std::chrono::milliseconds time) const;

    // Readable once one has come. Not to be read.
    [[nodiscard]] int descriptor() const { return fd_; }

  private:
    sigset_t before_;
    int fd_;
};

}  // namespace proxyd::control
