// Detects that a file has changed.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

namespace proxyd::table {

struct FileStamp {
    bool exists = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;

    bool operator==(const FileStamp&) const = default;
};

[[nodiscard]] FileStamp stamp_of(const std::string& path);

using FileStamps = std::map<std::string, FileStamp>;

// The present stamps of all these files.
[[nodiscard]] FileStamps stamps_of(const std::vector<std::string>& paths);

}  // namespace proxyd::table
