#include "proxyd/hardening/capabilities.h"

#include <cerrno>
#include <memory>
#include <system_error>
#include <type_traits>

#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace proxyd::hardening {
namespace {

void check(int result, const char* call) {
    if (result != 0) throw std::system_error(errno, std::generic_category(), call);
}

struct FreeCapabilities {
    void operator()(cap_t set) const { cap_free(set); }
};
using CapabilitySet = std::unique_ptr<std::remove_pointer_t<cap_t>, FreeCapabilities>;

CapabilitySet owned(cap_t set, const char* call) {
    if (set == nullptr) throw std::system_error(errno, std::generic_category(), call);
    return CapabilitySet(set);
}

}  // namespace

void give_up_capabilities() {
    check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)");
    const auto held = owned(cap_get_proc(), "cap_get_proc");
    const auto wanted = owned(cap_init(), "cap_init");
    if (::geteuid() == 0) {
        const cap_value_t files = CAP_DAC_OVERRIDE;
        // In a container, root may not have this capability.
        cap_flag_value_t permitted = CAP_CLEAR;
        check(cap_get_flag(held.get(), files, CAP_PERMITTED, &permitted), "cap_get_flag");
        check(cap_set_flag(wanted.get(), CAP_PERMITTED, 1, &files, permitted), "cap_set_flag");
        check(cap_set_flag(wanted.get(), CAP_EFFECTIVE, 1, &files, permitted), "cap_set_flag");
    }
    // A service manager's filter may forbid the call, so it is avoided when it would change nothing.
    if (cap_compare(held.get(), wanted.get()) != 0) check(cap_set_proc(wanted.get()), "cap_set_proc");
}

}  // namespace proxyd::hardening
