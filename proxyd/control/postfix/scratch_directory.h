// A directory for files that other programs are given.
#pragma once

#include <string>

namespace proxyd::control {

// Removed with what is in it. What killed processes of this user have left is removed with the next one.
class ScratchDirectory {
  public:
    // Throws std::runtime_error.
    ScratchDirectory();
    ~ScratchDirectory();
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }

    // Returns the path of the file. Throws std::runtime_error.
    [[nodiscard]] std::string write(const char* name, const std::string& text) const;

  private:
    std::string path_;
};

}  // namespace proxyd::control
