#include "backends/table/file_stamp.h"

#include <sys/stat.h>

#include "backends/report/activity.h"

namespace proxyd::table {

FileStamp stamp_of(const std::string& path) {
    // A network file system may not answer.
    const Activity activity("looking at the file", path);
    struct stat st {};
    if (stat(path.c_str(), &st) != 0) return {};
    const auto nanoseconds = [](const timespec& time) {
        return static_cast<std::int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
    };
    return {true, st.st_dev, st.st_ino, st.st_size, nanoseconds(st.st_mtim), nanoseconds(st.st_ctim)};
}

FileStamps stamps_of(const std::vector<std::string>& paths) {
    FileStamps stamps;
    for (const auto& path : paths) stamps.emplace(path, stamp_of(path));
    return stamps;
}

}  // namespace proxyd::table
