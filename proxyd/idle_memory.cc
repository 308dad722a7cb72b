#include "proxyd/idle_memory.h"

#include <utility>

#include <malloc.h>

namespace proxyd {
namespace {

constexpr std::chrono::seconds quiet{5};

}  // namespace

IdleMemory::IdleMemory(Loop& loop, std::function<std::uint64_t()> served)
    : served_(std::move(served)), timer_(loop.make_timer([this] { look(); })) {
    timer_->start(quiet);
}

void IdleMemory::look() {
    const auto served = served_();
    const bool is_quiet = served == std::exchange(seen_, served);
    if (is_quiet && !returned_) (void)::malloc_trim(0);
    returned_ = is_quiet;
    timer_->start(quiet);
}

}  // namespace proxyd
