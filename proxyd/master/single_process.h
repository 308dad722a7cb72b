// One process serves one listen socket: master(8) may start a second one, and two would double the
// connections to the databases.
#pragma once

#include <chrono>
#include <string>

namespace proxyd::master {

// Held from construction until the process that master knows ends. It is a record lock on one byte of
// QUEUE_DIRECTORY/pid/proxyd.SERVICE. The byte's offset identifies the socket, which all processes of one
// service share from one start of master to the next. Other services of the same name (-n) have other
// sockets, as does a master that is started after this one.
class SingleProcess {
  public:
    // The holder of the lock may be about to end, as after a reload: waits up to `patience` for that. Call
    // before the privileges are dropped. Throws std::system_error when the file cannot be opened, or
    // `listen_fd` is not open.
    SingleProcess(const std::string& queue_directory, const std::string& service, int listen_fd,
                  std::chrono::milliseconds patience);
    ~SingleProcess();
    SingleProcess(const SingleProcess&) = delete;
    SingleProcess& operator=(const SingleProcess&) = delete;

    // Called in the serving process, which may outlive the front process: only the front process keeps the
    // lock.
    void leave_to_parent();

    // False: another process serves this socket already.
    [[nodiscard]] bool alone() const { return alone_; }

  private:
    int fd_ = -1;
    bool alone_ = false;
};

}  // namespace proxyd::master
