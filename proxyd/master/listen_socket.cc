#include "proxyd/master/listen_socket.h"

#include <cerrno>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace proxyd::master {
namespace {

// The kernel lowers it to net.core.somaxconn.
constexpr int backlog = 65535;

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
    throw std::runtime_error(fmt::format("listen on {}: {}", path, reason));
}

[[noreturn]] void refuse_errno(const std::string& path, const char* call) {
    const int error = errno;
    refuse(path, fmt::format("{}: {}", call, std::generic_category().message(error)));
}

class Descriptor {
  public:
    Descriptor() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

sockaddr_un make_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty()) {
        throw std::runtime_error("listen: the path of the socket is empty");
    }
    if (path.size() >= sizeof(address.sun_path)) {
        refuse(path, fmt::format("the path has {} bytes, a socket's path can have {} at most", path.size(),
                                 sizeof(address.sun_path) - 1));
    }
    path.copy(address.sun_path, path.size());
    return address;
}

// Another user who may write to a directory in the path must not choose where the socket is made, or which
// one is removed.
void refuse_strange_links(const std::string& path) {
    bool open_to_all = false;  // the directory in which the next name is looked up
    for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const auto directory = path.substr(0, slash);
        struct stat status {};
        if (::lstat(directory.c_str(), &status) != 0) return;  // bind() reports it
        if (open_to_all && S_ISLNK(status.st_mode) && status.st_uid != 0 && status.st_uid != ::geteuid()) {
            refuse(path,
                   fmt::format("{} is a symbolic link that another user (id {}) has made in a directory "
                               "open to all; not followed",
                               directory, status.st_uid));
        }
        if (S_ISLNK(status.st_mode) && ::stat(directory.c_str(), &status) != 0) return;
        open_to_all = (status.st_mode & S_IWOTH) != 0;
    }
}

// The temporary path of the socket until it listens. Nobody else can predict the name and take it first. It
// is the final path if the temporary one is too long for an address.
std::string draft_path(const std::string& path) {
    constexpr std::string_view letters = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::random_device random;
    std::uniform_int_distribution<std::size_t> any(0, letters.size() - 1);
    auto draft = path.substr(0, path.rfind('/') + 1) + '.';
    for (int i = 0; i < 6; ++i) draft += letters[any(random)];
    return draft.size() < sizeof(sockaddr_un::sun_path) ? draft : path;
}

// Whether a socket of this user or root is there; throws when something else is.
bool is_own_socket(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) {
            return false;
        }
        refuse_errno(path, "lstat");
    }
    if (!S_ISSOCK(status.st_mode)) {
        refuse(path, S_ISLNK(status.st_mode) ? "exists and is a symbolic link; not followed"
                                             : "exists and is not a socket; not removed");
    }
    if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
        refuse(path, fmt::format("exists and belongs to another user (id {}); not removed", status.st_uid));
    }
    return true;
}

// Removes a socket without a listening process; throws when something else is there.
void remove_stale(const std::string& path) {
    if (!is_own_socket(path)) return;
    const auto address = make_address(path);
    const Descriptor probe;
    if (probe.get() < 0) {
        refuse_errno(path, "socket");
    }
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
        errno == EAGAIN || errno == EINPROGRESS) {
        refuse(path, "another process answers there");
    }
    if (errno == ENOENT) {
        return;
    }
    if (errno != ECONNREFUSED) {
        refuse_errno(path, "exists, and cannot be tested by connect");
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        refuse_errno(path, "unlink of the stale socket");
    }
}

// The file's mode must be right from the first moment.
bool bind_with_mode(int fd, const sockaddr_un& address, mode_t mode) {
    const mode_t before = ::umask(static_cast<mode_t>(~mode & 0777));
    const int result = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    const int error = errno;
    ::umask(before);
    errno = error;
    return result == 0;
}

// Returns the temporary path. bind() fails on an existing name, even on that of a dangling link.
std::string bind_to_draft(int fd, const std::string& path, mode_t mode) {
    constexpr int attempts = 10;
    for (int i = 0; i < attempts; ++i) {
        auto draft = draft_path(path);
        if (bind_with_mode(fd, make_address(draft), mode)) return draft;
        if (errno != EADDRINUSE || draft == path) break;
    }
    refuse_errno(path, "bind");
}

}  // namespace

ListenSocket::ListenSocket(std::string path, mode_t mode, Existing existing) : path_(std::move(path)) {
    (void)make_address(path_);
    refuse_strange_links(path_);
    Descriptor socket;
    if (socket.get() < 0) {
        refuse_errno(path_, "socket");
    }
    if (existing == Existing::in_use_stays) {
        remove_stale(path_);
    } else {
        (void)is_own_socket(path_);
    }
    // The socket gets its name only when it listens, so every client that finds it can connect.
    const auto draft = bind_to_draft(socket.get(), path_, mode);
    struct stat status {};
    if (::lstat(draft.c_str(), &status) != 0) {
        refuse_errno(path_, "lstat");
    }
    const bool listens = ::listen(socket.get(), backlog) == 0;
    // Unlike rename(), link() replaces nothing that another process has made in the meantime.
    const bool replaces = existing == Existing::replaced;
    const auto name_it = replaces ? ::rename : ::link;
    const bool named = listens && (draft == path_ || name_it(draft.c_str(), path_.c_str()) == 0);
    const int error = errno;
    if (!named || (draft != path_ && !replaces)) {
        ::unlink(draft.c_str());
    }
    if (!named) {
        errno = error;
        refuse_errno(path_, !listens ? "listen" : replaces ? "rename" : "link");
    }
    device_ = status.st_dev;
    inode_ = status.st_ino;
    fd_ = socket.release();
}

ListenSocket::~ListenSocket() {
    close();
}

void ListenSocket::close() {
    if (fd_ < 0) {
        return;
    }
    if (owns_file_) remove_file();
    ::close(fd_);
    fd_ = -1;
}

void ListenSocket::remove_file() const {
    struct stat status {};
    if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
        ::unlink(path_.c_str());
    }
}

}  // namespace proxyd::master
