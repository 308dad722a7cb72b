#include "proxyd/control/switch/file_replacement.h"

#include <cerrno>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/config/parameter_file.h"

namespace proxyd::control {
namespace {

void require(bool success, const std::string& what) {
    if (!success) throw std::system_error(errno, std::generic_category(), what);
}

// Removed if it has not replaced the old file.
class NewFile {
  public:
    explicit NewFile(const std::string& path)
        : path_(path + ".XXXXXX"), fd_(mkostemp(path_.data(), O_CLOEXEC)) {
        require(fd_ >= 0, "make " + path_);
    }
    ~NewFile() {
        close(fd_);
        if (!path_.empty()) unlink(path_.c_str());
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;

    void fill(std::string_view text, const std::string& like) const {
        struct stat status {};
        require(stat(like.c_str(), &status) == 0, "look at " + like);
        write(text);
        become_like(status);
    }

    void take_place_of(const std::string& path) {
        require(rename(path_.c_str(), path.c_str()) == 0, "rename to " + path);
        path_.clear();
    }

  private:
    void write(std::string_view text) const {
        while (!text.empty()) {
            const auto written = ::write(fd_, text.data(), text.size());
            require(written > 0 || errno == EINTR, "write " + path_);
            if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
        }
        require(fsync(fd_) == 0, "write " + path_);
    }

    void become_like(const struct stat& status) const {
        if (geteuid() == 0) require(fchown(fd_, status.st_uid, status.st_gid) == 0, "chown " + path_);
        require(fchmod(fd_, status.st_mode & 07777) == 0, "chmod " + path_);
    }

    std::string path_;
    int fd_;
};

}  // namespace

void replace_file(const std::string& path, const std::string& text, const std::string& like) {
    NewFile file(path);
    file.fill(text, like);
    file.take_place_of(path);
}

bool replace_unchanged(const std::string& path, const std::string& expected, const std::string& text) {
    NewFile file(path);
    file.fill(text, path);
    std::string error;
    if (config::read_file(path, error) != expected) return false;
    file.take_place_of(path);
    return true;
}

}  // namespace proxyd::control
