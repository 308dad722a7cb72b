// Keeps two proxyctl processes from changing the same configuration at once.
#pragma once

#include <string>

namespace proxyd::control {

class DirectoryLock {
  public:
    // Locks the directory until destruction or the end of the process. Does not wait. There is no lock when
    // the file system has none, or when there is no such directory. Other users should not be able to open
    // the directory: they could lock it and block everyone.
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
