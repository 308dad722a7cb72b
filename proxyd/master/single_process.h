// One process of a service per generation: master(8) may start a second one, and two would double the
// connections.
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

namespace proxyd::master {

// Held from construction until the process ends. The lock is a record lock on one byte of
// QUEUE_DIRECTORY/pid/proxyd.SERVICE; the byte's place stands for master's process and its generation, so
// that a process of an older generation, which still answers what is under way, keeps nobody from starting.
class SingleProcess {
  public:
    // To be called before the privileges are dropped. Throws std::system_error when the file cannot be
    // opened.
    SingleProcess(const std::string& queue_directory, const std::string& service, pid_t master_pid,
                  std::uint32_t generation);
    ~SingleProcess();
    SingleProcess(const SingleProcess&) = delete;
    SingleProcess& operator=(const SingleProcess&) = delete;

    // In the serving process: the lock stays with the front process alone.
    void leave_to_parent();

    // False: another process of this generation serves already.
    [[nodiscard]] bool alone() const { return alone_; }

  private:
    int fd_ = -1;
    bool alone_ = false;
};

}  // namespace proxyd::master
