#include "proxyd/master/single_process.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace proxyd::master {

SingleProcess::SingleProcess(const std::string& queue_directory, const std::string& service, pid_t master_pid,
                             std::uint32_t generation) {
    const auto path = queue_directory + "/pid/proxyd." + service;
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "open " + path);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    // Process ids have at most 22 bits (4 million), which leaves room for the generation in a file offset.
    lock.l_start = (static_cast<off_t>(generation) << 24) | static_cast<off_t>(master_pid & 0xffffff);
    lock.l_len = 1;
    alone_ = fcntl(fd_, F_OFD_SETLK, &lock) == 0;
}

void SingleProcess::leave_to_parent() {
    close(fd_);
    fd_ = -1;
}

SingleProcess::~SingleProcess() {
    if (fd_ >= 0) close(fd_);
}

}  // namespace proxyd::master
