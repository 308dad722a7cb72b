// The choice of the host for a new connection.
#pragma once

#include <cstddef>
#include <optional>
#include <random>
#include <vector>

#include "backends/event/clock.h"
#include "backends/pool/host.h"

namespace proxyd::pool {

// When a connection attempt takes longer than this, another host is tried at the same time.
inline constexpr std::chrono::milliseconds connect_patience{250};

// The connections of a pool to one host.
struct HostLoad {
    std::size_t connections = 0;  // all, attempts included
    std::size_t ready = 0;
    std::size_t attempts = 0;
    bool connect_is_slow = false;  // an attempt takes long
    bool silent = false;           // a ready connection does not answer
};

struct HostWish {
    TimePoint now;
    const std::vector<std::size_t>& except;   // hosts to leave out
    std::optional<std::size_t> rather_not{};  // this host only if there is no other
};

// Whether some host serves.
[[nodiscard]] bool any_serves(const std::vector<Host>& hosts);

// Whether another attempt may begin beside those under way. A host that has given no connection lately gets
// one attempt at a time: a proxy in between may accept no connection while another one waits. If its
// connections are silent it gets two: the address may lead to several servers.
[[nodiscard]] bool takes_attempt(const Host& host, const HostLoad& load);

// Healthy hosts come before others, UNIX sockets before TCP before URIs, then the host with the fewest
// connections, then chance decides. No value: no host may be tried now.
[[nodiscard]] std::optional<std::size_t> choose_host(const std::vector<Host>& hosts,
                                                     const std::vector<HostLoad>& loads, const HostWish& wish,
                                                     std::minstd_rand& random);

}  // namespace proxyd::pool
