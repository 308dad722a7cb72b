// Finds the files that the daemon's user cannot read. Asks the system as that user.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "proxyd/control/check/daemon_user.h"
#include "proxyd/control/check/finding.h"

namespace proxyd::control {

class FileAccess {
  public:
    // The caller makes this process act as `reader`. The references outlive this object.
    FileAccess(const DaemonUser& reader, Findings& findings) : reader_(reader), findings_(findings) {}

    // `where` and `line` are the place of a finding, `name` is its name for the file. A missing file counts
    // as readable: other checks report it.
    [[nodiscard]] bool may_read(const std::string& where, int line, const std::string& file,
                                const std::string& name);

    // Reports one error for each file, or one for all files below a directory that is closed.
    void tell() const;

  private:
    struct Refused {
        std::string where;
        int line = 0;
        std::string name;
        std::string reason;
        std::string advice;
        std::string directory;        // the closed directory, or ""
        std::set<std::string> files;  // all files refused for this reason
    };

    const DaemonUser& reader_;
    Findings& findings_;
    std::vector<Refused> refused_;
};

}  // namespace proxyd::control
