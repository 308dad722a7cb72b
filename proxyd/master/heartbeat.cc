#include "proxyd/master/heartbeat.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include <sys/mman.h>

namespace proxyd::master {

Heartbeat::Heartbeat() {
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a lock would not be shared");
    void* const memory =
        // cppcheck-suppress invalidFunctionArg ; no file is behind the memory
        mmap(nullptr, sizeof(Pulse), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    pulse_ = new (memory) Pulse;
}

Heartbeat::~Heartbeat() {
    munmap(pulse_, sizeof(Pulse));
}

bool StandstillClock::stands_still(std::uint64_t beats, TimePoint now) {
    const auto since_asked = now - asked_;
    asked_ = now;
    if (beats != beats_) {
        beats_ = beats;
        quiet_ = {};
        return false;
    }
    // On a busy machine the asking process wakes late. A longer gap means that this process was stopped
    // itself.
    quiet_ += std::min(since_asked, 2 * interval(limit_));
    return quiet_ >= limit_;
}

}  // namespace proxyd::master
