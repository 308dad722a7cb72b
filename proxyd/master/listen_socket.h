// The UNIX-domain socket of a daemon that runs on its own.
#pragma once

#include <string>

#include <sys/types.h>

namespace proxyd::master {

// Listens, non-blocking, from construction until close() or destruction. Both also remove the socket file if
// it is still this one.
class ListenSocket {
  public:
    // Owner and group only: every client may read the tables, and no queue directory around the socket keeps
    // other users away.
    static constexpr mode_t default_mode = 0660;

    // The treatment of an existing socket file.
    enum class Existing {
        in_use_stays,  // a socket of this user or root without a listener is replaced; any other is an error
        replaced,      // a socket of this user or root is replaced, even one in use, without a gap
    };

    // Clients can connect as soon as the file exists. Throws std::runtime_error with path and reason when the
    // path is taken (by another process that answers there, another user's socket, or any other file; a
    // symbolic link is not followed), when it leads through a symbolic link that another user has made in a
    // directory open to all, when it is too long for a socket address, or when the system refuses. Changes
    // the umask for a moment, so construct it before there are threads.
    explicit ListenSocket(std::string path, mode_t mode = default_mode,
                          Existing existing = Existing::in_use_stays);
    ~ListenSocket();
    ListenSocket(const ListenSocket&) = delete;
    ListenSocket& operator=(const ListenSocket&) = delete;

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] const std::string& path() const { return path_; }

    void close();

    // Called in a forked child: close() and destruction no longer remove the file, which is the parent's.
    void leave_file_to_parent() { owns_file_ = false; }

    // Removes the file if it is still this one.
    void remove_file() const;

  private:
    std::string path_;
    int fd_ = -1;
    bool owns_file_ = true;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace proxyd::master
