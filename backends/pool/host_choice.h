// Which host of a pool a connection is opened to.
#pragma once

#include <cstddef>
#include <optional>
#include <random>
#include <vector>

#include "backends/event/clock.h"
#include "backends/pool/host.h"

namespace proxyd::pool {

// While a connection attempt takes longer than this, another host is tried beside it.
inline constexpr std::chrono::milliseconds connect_patience{250};

// The connections of a pool to one host.
struct HostLoad {
    std::size_t connections = 0;  // all, attempts included
    std::size_t ready = 0;
    std::size_t attempts = 0;
    bool connect_is_slow = false;  // an attempt takes long
    bool silent = false;           // a connection that is ready says nothing
};

struct HostWish {
    TimePoint now;
    const std::vector<std::size_t>& except;   // hosts that will not do
    std::optional<std::size_t> rather_not{};  // this one only where there is no other
};

// Whether some host serves.
[[nodiscard]] bool any_serves(const std::vector<Host>& hosts);

// Whether a further attempt may begin beside those that are under way. A host that has given no connection
// lately gets one at a time: what is in between may let nobody in while somebody waits. Beside connections
// that have gone silent a second one is tried, for behind the address there may be several servers.
[[nodiscard]] bool takes_attempt(const Host& host, const HostLoad& load);

// Hosts that are well before others, UNIX sockets before TCP before URIs, then the one with the fewest
// connections, then by chance. No value: none may be tried now.
[[nodiscard]] std::optional<std::size_t> choose_host(const std::vector<Host>& hosts,
                                                     const std::vector<HostLoad>& loads, const HostWish& wish,
                                                     std::minstd_rand& random);

}  // namespace proxyd::pool
