#include "backends/mysql/setup_memory.h"

#include <utility>

namespace proxyd::mysql {
namespace {

constexpr int losses_allowed = 1;

// The proxy in between may be replaced by a better one.
constexpr std::chrono::minutes omitted_for{10};

}  // namespace

bool SetupMemory::omits(const std::string& host, OptionalStep step, TimePoint now) const {
    const auto of_host = trials_.find(host);
    if (of_host == trials_.end()) return false;
    const auto trial = of_host->second.find(step);
    if (trial == of_host->second.end()) return false;
    return now < trial->second.omitted_until || trial->second.losses > losses_allowed;
}

void SetupMemory::answered(const std::string& host, OptionalStep step) {
    if (const auto of_host = trials_.find(host); of_host != trials_.end()) of_host->second.erase(step);
}

void SetupMemory::lost(const std::string& host, OptionalStep step, std::string why, TimePoint begun,
                       TimePoint now) {
    auto& trial = trials_[host][step];
    // Connections that were open at the same time were lost together: they count once.
    if (trial.losses > 0 && begun < trial.last_loss) return;
    ++trial.losses;
    trial.last_loss = now;
    trial.why = std::move(why);
}

void SetupMemory::unreachable(const std::string& host) {
    const auto of_host = trials_.find(host);
    if (of_host == trials_.end()) return;
    for (auto& [step, trial] : of_host->second) trial.losses = 0;
}

std::vector<SetupMemory::Omission> SetupMemory::served(const std::string& host, TimePoint now) {
    std::vector<Omission> news;
    const auto of_host = trials_.find(host);
    if (of_host == trials_.end()) return news;
    for (auto& [step, trial] : of_host->second) {
        if (trial.losses <= losses_allowed) continue;
        news.push_back({step, std::exchange(trial.why, {})});
        trial.losses = 0;
        trial.omitted_until = now + omitted_for;
    }
    return news;
}

void SetupMemory::not_serving(const std::string& host) {
    trials_.erase(host);
}

}  // namespace proxyd::mysql
