// The UNIX-domain socket of a daemon that runs on its own.
#pragma once

#include <string>

#include <sys/types.h>

namespace proxyd::master {

// Listens, non-blocking, from construction until close() or destruction, which also remove the socket file if
// it is still this one.
class ListenSocket {
  public:
    // Owner and group only: who may connect may read the tables, and there is no queue directory around the
    // socket that would keep others away.
    static constexpr mode_t default_mode = 0660;

    // What becomes of a socket file that is there already.
    enum class Existing {
        in_use_stays,  // one of this user or root that nobody answers at is replaced; any other is an error
        replaced,      // one of this user or root, whoever answers at it: at no moment is there none
    };

    // From the first moment that the file is there, it can be connected to. Throws std::runtime_error with
    // path and reason when the path is taken (by another process that answers there, another user's socket,
    // or anything else; a symbolic link there is not followed), when it leads through a symbolic link that
    // another user has made in a directory open to all, when it is too long for a socket address, or when the
    // system refuses. Changes the umask for a moment: before threads.
    explicit ListenSocket(std::string path, mode_t mode = default_mode,
                          Existing existing = Existing::in_use_stays);
    ~ListenSocket();
    ListenSocket(const ListenSocket&) = delete;
    ListenSocket& operator=(const ListenSocket&) = delete;

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] const std::string& path() const { return path_; }

    void close();

  private:
    std::string path_;
    int fd_ = -1;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace proxyd::master
