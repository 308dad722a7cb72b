// Files that are never seen half written.
#pragma once

#include <string>

namespace proxyd::control {

// Writes `path` anew, with owner and mode of `like`, in one step: others see the old file or the new one.
// Throws std::system_error.
void replace_file(const std::string& path, const std::string& text, const std::string& like);

}  // namespace proxyd::control
