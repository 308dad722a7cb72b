// Which statements are left out when connections to a host are prepared: what stands between us and the
// server may hang up on them, answer them with rows, or not at all.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backends/event/clock.h"

namespace proxyd::mysql {

// Statements without which a connection serves, too. An error is an answer to them.
enum class OptionalStep : std::uint8_t {
    time_limit,  // the server's limit for statements
    serving,     // whether it takes queries
};

class SetupMemory {
  public:
    // Whether connections to this host that begin now do without it.
    [[nodiscard]] bool omits(const std::string& host, OptionalStep step, TimePoint now) const;

    void answered(const std::string& host, OptionalStep step);

    // A connection that had begun then was good until this step, and is no more. Once may be by chance: the
    // server ended just then. When it happens again to one that began later, the step is left out.
    void lost(const std::string& host, OptionalStep step, std::string why, TimePoint begun, TimePoint now);

    // No connection could be made: what was lost before was lost because the server ended.
    void unreachable(const std::string& host);

    struct Omission {
        OptionalStep step;
        std::string why;  // how a connection was lost by it
    };
    // A connection was prepared without what omits() names. Returns the steps that are left out for a while
    // from now on; those for which that was known already are not among them.
    std::vector<Omission> served(const std::string& host, TimePoint now);

    // The server takes connections but no queries: no step is left out any more.
    void not_serving(const std::string& host);

  private:
    struct Trial {
        int losses = 0;  // in a row
        TimePoint last_loss{};
        std::string why{};
        TimePoint omitted_until{};
    };
    std::map<std::string, std::map<OptionalStep, Trial>> trials_;
};

}  // namespace proxyd::mysql
