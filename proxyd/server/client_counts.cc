#include "proxyd/server/client_counts.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <new>
#include <system_error>

#include <sys/mman.h>

namespace proxyd::server {

ClientCounts::ClientCounts(int workers) : workers_(workers) {
    static_assert(Count::is_always_lock_free, "a lock would not be shared");
    void* const memory =
        // cppcheck-suppress invalidFunctionArg ; no file is behind the memory
        mmap(nullptr, sizeof(Count) * most_workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
             0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    counts_ = static_cast<Count*>(memory);
    for (int worker = 0; worker < most_workers; ++worker) new (counts_ + worker) Count(accepts_none);
}

ClientCounts::~ClientCounts() {
    munmap(counts_, sizeof(Count) * most_workers);
}

void ClientCounts::set(int worker, std::uint32_t clients) noexcept {
    counts_[worker].store(clients, std::memory_order_relaxed);
}

void ClientCounts::leave(int worker) noexcept {
    set(worker, accepts_none);
}

bool ClientCounts::has_more_than_its_share(int worker) const noexcept {
    std::array<std::uint32_t, most_workers> counts{};
    for (int i = 0; i < workers_; ++i)
        counts[static_cast<std::size_t>(i)] = counts_[i].load(std::memory_order_relaxed);
    return is_above_share(counts[static_cast<std::size_t>(worker)],
                          std::span(counts).first(static_cast<std::size_t>(workers_)));
}

bool is_above_share(std::uint32_t own, std::span<const std::uint32_t> counts) {
    std::uint64_t sum = 0;
    std::uint64_t accepting = 0;
    for (const auto count : counts) {
        if (count == accepts_none) continue;
        sum += count;
        ++accepting;
    }
    // own > (sum / accepting) * 5 / 4 + 1
    return accepting > 1 && 4 * accepting * own > 5 * sum + 4 * accepting;
}

}  // namespace proxyd::server
