// Advice about a file that a user may not read.
#pragma once

#include <string>
#include <string_view>

namespace proxyd {

// The first directory on the way to `path` (absolute) that this process may not search, as its present user;
// "" when there is none.
[[nodiscard]] std::string closed_directory(const std::string& path);

// For this process as its present user: "Try chgrp postfix /x; chmod g+r /x", or the same for the first
// directory that may not be searched. The owner, who may be another program, does not change.
[[nodiscard]] std::string advice_to_let_read(std::string_view group, const std::string& path);

// The user and the group that this process runs as; a number when it has no name here.
[[nodiscard]] std::string effective_user();
[[nodiscard]] std::string effective_group();

}  // namespace proxyd
