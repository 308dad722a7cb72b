// What the kernel says another process is doing.
#pragma once

#include <string>

#include <sys/types.h>

namespace proxyd::master {

struct ProcessState {
    std::string words;    // "stopped by a signal"; "" when it cannot be told, as in a chroot
    bool traced = false;  // a debugger holds it
};

[[nodiscard]] ProcessState process_state(pid_t process);

}  // namespace proxyd::master
