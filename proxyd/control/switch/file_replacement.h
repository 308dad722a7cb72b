// Replaces files so that no reader sees them half written.
#pragma once

#include <string>

namespace proxyd::control {

// Writes `path` anew, with owner and mode of `like`, in one step: readers see the old file or the new one.
// Throws std::system_error.
void replace_file(const std::string& path, const std::string& text, const std::string& like);

// The same with its own owner and mode, but never overwrites a change of another process: returns false, and
// changes nothing, when the file does not hold `expected` at the last moment.
[[nodiscard]] bool replace_unchanged(const std::string& path, const std::string& expected,
                                     const std::string& text);

}  // namespace proxyd::control
