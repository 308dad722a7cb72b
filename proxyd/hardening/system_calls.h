// A kernel filter (seccomp(2)) against calls that a lookup server never needs and an intruder would use.
#pragma once

#include <string>

namespace proxyd::hardening {

enum class Programs {
    started,  // postconf, at a reload
    never,
};

// From now on calls that debug or inspect other processes, mount, enter or make namespaces, change the
// kernel, handle kernel keys, use io_uring, and with Programs::never start a program, fail with EPERM, in
// this process and its children. All other calls pass, because those of the database libraries, the C library
// and ICU differ from version to version. Cannot be undone. Returns "", or the reason why the kernel refuses.
[[nodiscard]] std::string refuse_system_calls(Programs programs);

}  // namespace proxyd::hardening
