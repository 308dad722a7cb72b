// The way of one connection attempt through the addresses of a host: which address comes next, how long it is
// tried, and which failure is reported in the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backends/event/clock.h"
#include "backends/pool/failure.h"

namespace proxyd::cluster {

// The results of earlier attempts at the addresses of all hosts of one cluster. Outlives the walks that use
// it.
class AddressMemory {
  public:
    // Sorts the addresses: first the one that worked last, unless it has failed since; then those without a
    // failure, in the given order; then the others, the oldest failure first. Forgets addresses that the name
    // no longer has.
    [[nodiscard]] std::vector<std::string> in_order(const std::string& name,
                                                    std::vector<std::string> addresses);
    void worked(const std::string& name, const std::string& address);
    void failed(const std::string& name, const std::string& address);

  private:
    struct Name {
        std::string worked_last;
        std::map<std::string, std::uint64_t> failures;  // address -> number of its last failure
    };
    std::map<std::string, Name> names_;
    std::uint64_t failures_ = 0;
};

// A silent address does not use up `limit`: each address has an equal share of the time that is left, but at
// least a quarter of a second. Addresses that get no turn come first in the next attempt.
class AddressWalk {
  public:
    // `begun` is the start of the attempt, which may take `limit`.
    AddressWalk(AddressMemory& memory, TimePoint begun, Duration limit);
    // An address that is still being tried counts as failed: the caller's time limit ended the attempt.
    ~AddressWalk();
    AddressWalk(const AddressWalk&) = delete;
    AddressWalk& operator=(const AddressWalk&) = delete;

    // How long the resolver may be asked for a name, if `names_after` others follow.
    [[nodiscard]] Duration share_of_name(TimePoint now, std::size_t names_after) const;

    // The addresses of a name, in the order of the system; "" is a UNIX socket, of which nothing is
    // remembered. `names_after` other names follow.
    void begin(std::string name, std::vector<std::string> addresses, std::size_t names_after);

    struct Step {
        std::string address;
        // No value: it is the only address, and may take all the time that is left.
        std::optional<Duration> share;
    };
    // The next address of the name. No value: no address or no time is left.
    [[nodiscard]] std::optional<Step> next(TimePoint now);

    // The result at the address that next() gave last.
    void worked();
    void failed(const pool::Failure& failure, bool said_by_server);
    // The share of this address is over.
    void timed_out();

    // Keeps a failure that belongs to no address: a name without addresses. The message of a server counts
    // for more than a missing answer; otherwise the last failure counts.
    void keep(const pool::Failure& failure, bool said_by_server);
    [[nodiscard]] pool::Failure failure() const;

    // Whether there is time for another name.
    [[nodiscard]] bool has_time(TimePoint now) const;

  private:
    [[nodiscard]] Duration left(TimePoint now) const;
    void leave();

    AddressMemory& memory_;
    TimePoint end_;
    Duration least_share_;
    std::string name_;
    std::vector<std::string> addresses_;  // still to be tried, last first
    std::size_t names_after_ = 0;
    std::string trying_;  // the IP address that is tried; "": none, or a UNIX socket
    Duration trying_for_{};
    bool any_tried_ = false;
    std::optional<pool::Failure> kept_;  // no value: nothing has failed yet
    bool kept_was_said_ = false;
};

}  // namespace proxyd::cluster
