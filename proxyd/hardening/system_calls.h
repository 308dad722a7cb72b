// A filter in the kernel (seccomp(2)) for what a lookup server never does and an intruder would like to.
#pragma once

#include <string>

namespace proxyd::hardening {

enum class Programs {
    started,  // postconf, at a reload
    never,
};

// From now on calls that debug or inspect other processes, mount, enter or make namespaces, change the
// kernel, handle kernel keys, use io_uring, and with Programs::never start a program, fail with EPERM, in
// this process and its children. Everything else passes: what the database libraries, the C library and ICU
// call differs from version to version. Cannot be undone. Returns "" or why the kernel does not do it.
[[nodiscard]] std::string refuse_system_calls(Programs programs);

}  // namespace proxyd::hardening
