#include "proxyd/control/check/file_access.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "backends/report/file_access_advice.h"
#include "proxyd/logging/plural.h"

namespace proxyd::control {

bool FileAccess::may_read(const std::string& where, int line, const std::string& file,
                          const std::string& name) {
    if (faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0 || errno == ENOENT) return true;
    const std::string reason = std::strerror(errno);
    const auto directory = closed_directory(file);
    const auto known = std::find_if(refused_.begin(), refused_.end(), [&directory](const Refused& one) {
        return !directory.empty() && one.directory == directory;
    });
    if (known != refused_.end()) {
        known->files.insert(file);
    } else {
        refused_.push_back(
            {where, line, name, reason, advice_to_let_read(reader_.group, file), directory, {file}});
    }
    return false;
}

void FileAccess::tell() const {
    for (const auto& one : refused_) {
        const auto more = one.files.size() - 1;
        findings_.error(
            one.where, one.line,
            fmt::format("user {} ({}) cannot read {}{}: {}. {}", reader_.account.name, reader_.known_from,
                        one.name, more == 0 ? "" : ", and " + plural(more, "more file"), one.reason,
                        one.advice));
    }
}

}  // namespace proxyd::control
