#include "backends/pool/host_choice.h"

#include <algorithm>
#include <compare>

namespace proxyd::pool {

bool any_serves(const std::vector<Host>& hosts) {
    return std::any_of(hosts.begin(), hosts.end(), [](const Host& host) { return host.is_up(); });
}

bool takes_attempt(const Host& host, const HostLoad& load) {
    const bool doubtful = !host.is_up() || host.struggles() || load.connect_is_slow;
    if (!doubtful) return true;
    return load.attempts < (load.silent ? 2U : 1U);
}

std::optional<std::size_t> choose_host(const std::vector<Host>& hosts, const std::vector<HostLoad>& loads,
                                       const HostWish& wish, std::minstd_rand& random) {
    struct Merit {
        bool avoided;
        bool sick;
        int rank;
        std::size_t connections;
        auto operator<=>(const Merit&) const = default;
    };
    const bool needed = !any_serves(hosts);
    std::optional<std::size_t> best;
    Merit best_merit{};
    unsigned equals = 0;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        const auto& host = hosts[i];
        const auto& load = loads[i];
        if (!host.may_connect(wish.now, needed) || !takes_attempt(host, load)) continue;
        if (std::find(wish.except.begin(), wish.except.end(), i) != wish.except.end()) continue;
        const Merit merit{wish.rather_not == i, host.is_failing() || load.connect_is_slow, host.info().rank,
                          load.connections};
        if (!best || merit < best_merit) {
            best = i;
            best_merit = merit;
            equals = 1;
        } else if (merit == best_merit && random() % ++equals == 0) {
            best = i;
        }
    }
    return best;
}

}  // namespace proxyd::pool
