// Which files the daemon's user cannot read, asked as that user.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "proxyd/control/check/daemon_user.h"
#include "proxyd/control/check/finding.h"

namespace proxyd::control {

class FileAccess {
  public:
    // From now on this process is to be `reader`. The references outlive this object.
    FileAccess(const DaemonUser& reader, Findings& findings) : reader_(reader), findings_(findings) {}

    // `where` and `line` are where a finding belongs, `name` what it calls the file. A file that is missing
    // is another's business.
    [[nodiscard]] bool may_read(const std::string& where, int line, const std::string& file,
                                const std::string& name);

    // One error for each file, or for all files behind a directory that is closed.
    void tell() const;

  private:
    struct Refused {
        std::string where;
        int line = 0;
        std::string name;
        std::string reason;
        std::string advice;
        std::string directory;        // the closed one, or ""
        std::set<std::string> files;  // all that are refused for it
    };

    const DaemonUser& reader_;
    Findings& findings_;
    std::vector<Refused> refused_;
};

}  // namespace proxyd::control
