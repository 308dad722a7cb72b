// A temporary directory for files that other programs read or edit.
#pragma once

#include <string>

namespace proxyd::control {

// The destructor removes the directory with its files. The constructor removes directories that killed
// processes of this user have left.
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
