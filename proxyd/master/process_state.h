// The state of another process, as reported by the kernel.
#pragma once

#include <string>

#include <sys/types.h>

namespace proxyd::master {

struct ProcessState {
    std::string words;    // "stopped by a signal"; "" when it is unknown, as in a chroot
    bool traced = false;  // a debugger holds it
};

[[nodiscard]] ProcessState process_state(pid_t process);

}  // namespace proxyd::master
