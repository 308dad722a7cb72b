#include "backends/pool/large_memory.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>

#include <malloc.h>
#include <sys/mman.h>

namespace proxyd {
namespace {

constexpr std::size_t large_page = std::size_t{2} << 20;

// Room for the data that a library reads before it tells the size of the answer.
constexpr std::size_t ahead = std::size_t{96} << 20;

// The defaults of the allocator.
constexpr int usual_maps = 65536;
constexpr int usual_trim_threshold = 131072;

std::atomic<bool> came = false;
std::atomic<bool> kept = false;  // freed memory stays in the process

// The allocator hands the same range out again; this function touches none of it.
void lay_out(std::size_t bytes) {
    if (bytes < 2 * large_page) return;
    auto* const block = static_cast<char*>(std::malloc(bytes));
    if (block == nullptr) return;
    const auto before = (large_page - reinterpret_cast<std::uintptr_t>(block) % large_page) % large_page;
    const auto size = (bytes - before) / large_page * large_page;
    if (size > 0) (void)::madvise(block + before, size, MADV_HUGEPAGE);
    std::free(block);
}

}  // namespace

void share_one_heap() {
    (void)::mallopt(M_ARENA_MAX, 1);
}

void expect_large_answer(std::size_t bytes) {
    came = true;
    if (!kept.exchange(true)) {
        // In a mapping of its own each large block would consist of new pages.
        (void)::mallopt(M_MMAP_MAX, 0);
        (void)::mallopt(M_TRIM_THRESHOLD, 1 << 30);
        bytes = std::max(bytes, ahead);
    }
    lay_out(bytes);
}

bool large_answers_came() {
    return came.exchange(false);
}

void return_memory() {
    if (kept.exchange(false)) {
        (void)::mallopt(M_MMAP_MAX, usual_maps);
        (void)::mallopt(M_TRIM_THRESHOLD, usual_trim_threshold);
    }
    (void)::malloc_trim(0);
}

}  // namespace proxyd
