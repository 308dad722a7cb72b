// How many clients each worker has, in memory that all of them share. From that a worker knows when another
// one should accept the next client.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

namespace proxyd::server {

// Shared with processes that are forked after its construction. Each worker writes its own count; the front
// process clears that of a dead one.
class ClientCounts {
  public:
    static constexpr int most_workers = 64;

    explicit ClientCounts(int workers);  // throws std::system_error
    ~ClientCounts();
    ClientCounts(const ClientCounts&) = delete;
    ClientCounts& operator=(const ClientCounts&) = delete;

    void set(int worker, std::uint32_t clients) noexcept;
    // The worker accepts no clients (any more): it counts for nothing until its next set().
    void leave(int worker) noexcept;

    // Whether this worker has clearly more clients than those that accept clients have on average.
    [[nodiscard]] bool has_more_than_its_share(int worker) const noexcept;

  private:
    using Count = std::atomic<std::uint32_t>;
    int workers_;
    Count* counts_;
};

inline constexpr std::uint32_t accepts_none = UINT32_MAX;

// The rule, pure: above the average by more than a quarter and one client. `counts` has accepts_none for
// those that do not accept clients.
[[nodiscard]] bool is_above_share(std::uint32_t own, std::span<const std::uint32_t> counts);

}  // namespace proxyd::server
