#include "proxyd/hardening/system_calls.h"

#include <cerrno>
#include <memory>
#include <system_error>

#include <sched.h>
#include <seccomp.h>

namespace proxyd::hardening {
namespace {

constexpr const char* never_needed[] = {
    // other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise",
    "perf_event_open", "userfaultfd",
    // mounts and namespaces
    "mount", "umount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "unshare", "setns", "open_by_handle_at",
    // the kernel and the machine
    "bpf", "init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load",
    "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "syslog", "iopl", "ioperm",
    "modify_ldt", "vhangup", "sethostname", "setdomainname", "settimeofday", "stime", "clock_settime",
    "clock_settime64", "adjtimex", "clock_adjtime", "clock_adjtime64", "nfsservctl", "lookup_dcookie",
    // kernel keys
    "add_key", "request_key", "keyctl",
    // ways around a filter
    "io_uring_setup", "io_uring_enter", "io_uring_register"};

constexpr const char* to_start_programs[] = {"execve", "execveat"};

struct ReleaseFilter {
    void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// Keeps the first error in `error`. A call that this processor does not have needs no rule.
template <typename... Condition>
void answer(const Filter& filter, int& error, const char* call, int error_number, Condition... condition) {
    const int number = seccomp_syscall_resolve_name(call);
    if (error != 0 || number == __NR_SCMP_ERROR) return;
    error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(static_cast<unsigned>(error_number)), number,
                             sizeof...(condition), condition...);
}

}  // namespace

std::string refuse_system_calls(Programs programs) {
    const Filter filter(seccomp_init(SCMP_ACT_ALLOW));
    if (!filter) return "seccomp_init failed";
    int error = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    for (const char* call : never_needed) answer(filter, error, call, EPERM);
    if (programs == Programs::never) {
        for (const char* call : to_start_programs) answer(filter, error, call, EPERM);
    }
    // A filter cannot look into clone3's argument; without clone3 the C library uses clone.
    answer(filter, error, "clone3", ENOSYS);
    answer(filter, error, "clone", EPERM, scmp_arg_cmp{0, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER});
    if (error == 0) error = seccomp_load(filter.get());
    return error == 0 ? "" : std::generic_category().message(-error);
}

}  // namespace proxyd::hardening
