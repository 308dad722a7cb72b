// Latencies in constant memory, with percentiles that are exact to one part in 128.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace proxyd::bench {

class LatencyHistogram {
  public:
    using Duration = std::chrono::nanoseconds;

    void add(Duration latency) {
        const auto ns = static_cast<std::uint64_t>(std::max<Duration::rep>(latency.count(), 0));
        ++counts_[bucket(ns)];
        ++total_;
        max_ = std::max(max_, latency);
    }

    // The latency that `fraction` (0 to 1) of all latencies do not exceed; zero if there are none.
    [[nodiscard]] Duration percentile(double fraction) const {
        const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(total_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted) {
                return std::min(max_, Duration{upper_end(i)});
            }
        }
        return max_;
    }

    [[nodiscard]] Duration max() const { return max_; }
    [[nodiscard]] std::uint64_t total() const { return total_; }

  private:
    // Values below 2^steps_log have a bucket each. Above, each power of two has 2^steps_log buckets.
    static constexpr int steps_log = 7;
    static constexpr std::uint64_t steps = std::uint64_t{1} << steps_log;

    static std::size_t bucket(std::uint64_t ns) {
        const int shift = std::max(0, static_cast<int>(std::bit_width(ns)) - steps_log - 1);
        return static_cast<std::size_t>(static_cast<std::uint64_t>(shift) * steps + (ns >> shift));
    }
    static std::int64_t upper_end(std::size_t bucket) {
        const std::uint64_t shift = bucket < 2 * steps ? 0 : bucket / steps - 1;
        return static_cast<std::int64_t>(((bucket - shift * steps + 1) << shift) - 1);
    }

    std::array<std::uint64_t, (64 - steps_log + 1) * steps> counts_{};
    std::uint64_t total_ = 0;
    Duration max_{0};
};

}  // namespace proxyd::bench
