#include "proxyd/control/postfix/scratch_directory.h"

#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace proxyd::control {
namespace {

namespace fs = std::filesystem;

// The process id of its maker follows, then "-" and a random part.
constexpr std::string_view prefix = "proxyctl-";

// Containers may share the directory for temporary files, and their processes are not visible here. No
// process of ours runs for this long.
constexpr time_t abandoned_after = 3600;

bool is_abandoned(const fs::path& path) {
    const auto name = path.filename().string();
    if (!name.starts_with(prefix)) return false;
    const char* const end = name.data() + name.size();
    pid_t maker = 0;
    const auto number = std::from_chars(name.data() + prefix.size(), end, maker);
    if (number.ec != std::errc() || maker <= 0 || number.ptr == end || *number.ptr != '-') return false;
    struct stat status {};
    return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           status.st_mtime < time(nullptr) - abandoned_after && kill(maker, 0) != 0 && errno == ESRCH;
}

void remove_abandoned(const fs::path& parent) {
    std::error_code ignored;
    fs::directory_iterator entry(parent, ignored);
    for (; entry != fs::directory_iterator(); entry.increment(ignored)) {
        if (is_abandoned(entry->path())) fs::remove_all(entry->path(), ignored);
    }
}

}  // namespace

ScratchDirectory::ScratchDirectory() {
    const auto parent = fs::temp_directory_path();
    remove_abandoned(parent);
    path_ = (parent / fmt::format("{}{}-XXXXXX", prefix, getpid())).string();
    if (mkdtemp(path_.data()) == nullptr)
        throw std::runtime_error(fmt::format("cannot make a directory like {}", path_));
}

ScratchDirectory::~ScratchDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::string ScratchDirectory::write(const char* name, const std::string& text) const {
    auto path = fmt::format("{}/{}", path_, name);
    std::ofstream file(path, std::ios::binary);
    if (!(file << text) || !file.flush()) throw std::runtime_error(fmt::format("cannot write {}", path));
    return path;
}

}  // namespace proxyd::control
