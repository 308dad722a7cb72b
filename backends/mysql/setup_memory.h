// Remembers which statements to leave out when connections to a host are prepared: a proxy between us and the
// server may disconnect after them, answer them with rows, or not at all.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backends/event/clock.h"

namespace proxyd::mysql {

// Statements that a connection can do without. An error counts as an answer to them.
enum class OptionalStep : std::uint8_t {
    time_limit,  // the server's limit for statements
    serving,     // whether it takes queries
};

class SetupMemory {
  public:
    // Whether connections to this host that begin now leave the step out.
    [[nodiscard]] bool omits(const std::string& host, OptionalStep step, TimePoint now) const;

    void answered(const std::string& host, OptionalStep step);

    // A connection that began at `begun` was good until this step, and broke then. Once may be chance: the
    // server ended just then. When a connection that began later breaks, too, the step is left out.
    void lost(const std::string& host, OptionalStep step, std::string why, TimePoint begun, TimePoint now);

    // No connection could be made: the earlier connections broke because the server ended.
    void unreachable(const std::string& host);

    struct Omission {
        OptionalStep step;
        std::string why;  // how the connection broke
    };
    // A connection was prepared without the steps that omits() names. Returns the steps that are left out for
    // a while from now on, without the steps already known.
    std::vector<Omission> served(const std::string& host, TimePoint now);

    // The server takes connections but no queries: all steps are tried again.
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
