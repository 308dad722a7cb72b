// The signals that end a program, held back while work must not be left half done.
#pragma once

#include <chrono>

#include <signal.h>

namespace proxyd::control {

// While it exists, SIGINT, SIGTERM and SIGHUP do not end the process. The destructor drops signals that have
// come. An ignored signal, as with nohup(1), stays ignored. For processes with one thread.
class HeldSignals {
  public:
    // Throws std::system_error.
    HeldSignals();
    ~HeldSignals();
    HeldSignals(const HeldSignals&) = delete;
    HeldSignals& operator=(const HeldSignals&) = delete;

    // Whether a signal has come.
    [[nodiscard]] bool came() const { return wait(std::chrono::milliseconds(0)); }

    // The same, but waits for a signal, for `time` at most.
    [[nodiscard]] bool wait(std::chrono::milliseconds time) const;

    // A descriptor that is readable once a signal has come. The caller must not read from it.
    [[nodiscard]] int descriptor() const { return fd_; }

  private:
    sigset_t before_;
    int fd_;
};

}  // namespace proxyd::control
