// Keeps two proxyctl from changing the same configuration at once.
#pragma once

#include <string>

namespace proxyd::control {

class DirectoryLock {
  public:
    // Locks the directory until the object goes, or the process ends however it may. Does not wait. Where the
    // file system has no locks, or there is no such directory, it goes without. Others should not be able to
    // open the directory: whoever can may lock it, and hold up everybody.
    explicit DirectoryLock(const std::string& directory);
    ~DirectoryLock();
    DirectoryLock(const DirectoryLock&) = delete;
    DirectoryLock& operator=(const DirectoryLock&) = delete;

    [[nodiscard]] bool taken_by_another() const { return taken_by_another_; }

  private:
    int fd_;
    bool taken_by_another_ = false;
};

}  // namespace proxyd::control
