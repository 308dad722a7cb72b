#include "proxyd/master/single_process.h"

#include <cerrno>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace proxyd::master {
namespace {

constexpr std::chrono::milliseconds between_tries{10};

// The kernel's unique number of the socket.
off_t place_of(int listen_fd) {
    struct stat status {};
    if (fstat(listen_fd, &status) != 0) {
        throw std::system_error(errno, std::generic_category(), "fstat of the listen socket");
    }
    return static_cast<off_t>(status.st_ino);
}

}  // namespace

SingleProcess::SingleProcess(const std::string& queue_directory, const std::string& service, int listen_fd,
                             std::chrono::milliseconds patience) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = place_of(listen_fd);
    lock.l_len = 1;
    const auto path = queue_directory + "/pid/proxyd." + service;
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "open " + path);
    const auto end = std::chrono::steady_clock::now() + patience;
    do {
        alone_ = fcntl(fd_, F_OFD_SETLK, &lock) == 0;
        if (!alone_) std::this_thread::sleep_for(between_tries);
    } while (!alone_ && std::chrono::steady_clock::now() < end);
}

void SingleProcess::leave_to_parent() {
    close(fd_);
    fd_ = -1;
}

SingleProcess::~SingleProcess() {
    if (fd_ >= 0) close(fd_);
}

}  // namespace proxyd::master
