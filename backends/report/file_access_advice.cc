#include "backends/report/file_access_advice.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace proxyd {

std::string closed_directory(const std::string& path) {
    for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        auto directory = path.substr(0, slash);
        if (faccessat(AT_FDCWD, directory.c_str(), X_OK, AT_EACCESS) != 0 && errno == EACCES)
            return directory;
    }
    return {};
}

std::string advice_to_let_read(std::string_view group, const std::string& path) {
    const auto directory = closed_directory(path);
    if (directory.empty()) return fmt::format("Try chgrp {0} {1}; chmod g+r {1}", group, path);
    return fmt::format("The directory {1} cannot be searched: try chgrp {0} {1}; chmod g+x {1}", group,
                       directory);
}

std::string effective_user() {
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd* found = nullptr;
    const auto user = geteuid();
    if (getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return std::to_string(user);
    }
    return found->pw_name;
}

std::string effective_group() {
    std::array<char, 4096> buffer;
    group entry{};
    group* found = nullptr;
    const auto id = getegid();
    if (getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return std::to_string(id);
    }
    return found->gr_name;
}

}  // namespace proxyd
