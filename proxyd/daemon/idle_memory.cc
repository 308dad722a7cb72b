#include "proxyd/daemon/idle_memory.h"

#include <utility>

#include "backends/pool/large_memory.h"

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
    const bool large_ones_come = large_answers_came();
    if ((is_quiet && !returned_) || (large_ones_ && !large_ones_come)) return_memory();
    returned_ = is_quiet;
    large_ones_ = large_ones_come;
    timer_->start(quiet);
}

}  // namespace proxyd
