// The signals that the front process handles.
#pragma once

#include <csignal>

namespace proxyd::master {

// Takes SIGTERM, and on its own SIGINT and SIGHUP, from construction on. Destruction gives them back as they
// were. A forked child has its own copy, which it destroys. Throws std::system_error.
class SignalQueue {
  public:
    explicit SignalQueue(bool under_master);
    ~SignalQueue();
    SignalQueue(const SignalQueue&) = delete;
    SignalQueue& operator=(const SignalQueue&) = delete;

    // Readable while a signal is pending.
    [[nodiscard]] int fd() const { return fd_; }

    // The next signal; 0: none is pending.
    [[nodiscard]] int next() const;

  private:
    sigset_t before_{};
    int fd_ = -1;
};

}  // namespace proxyd::master
