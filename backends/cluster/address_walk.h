// The way of one attempt to connect through the addresses of a host: which comes next, how long it is tried,
// and which failure is told in the end.
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

// What was learned of the addresses of all hosts of one cluster. Outlives the walks that use it.
class AddressMemory {
  public:
    // The address that worked last, unless it has failed since; then those that have not failed, as they are
    // given; then the others, the one whose failure is the oldest first. Forgets addresses that the name no
    // longer has.
    [[nodiscard]] std::vector<std::string> in_order(const std::string& name,
                                                    std::vector<std::string> addresses);
    void worked(const std::string& name, const std::string& address);
    void failed(const std::string& name, const std::string& address);

  private:
    struct Name {
        std::string worked_last;
        std::map<std::string, std::uint64_t> failures;  // address -> when, in failures of all
    };
    std::map<std::string, Name> names_;
    std::uint64_t failures_ = 0;
};

// No time of `limit` is lost on one that is silent: each address has an equal share of what is left of it,
// but at least a quarter of a second. Those that get no turn are the first of the next attempt.
class AddressWalk {
  public:
    // `begun` is when the attempt began that may take as long as `limit`.
    AddressWalk(AddressMemory& memory, TimePoint begun, Duration limit);
    // An address that is being tried has failed then: whoever watched the time gave it up.
    ~AddressWalk();
    AddressWalk(const AddressWalk&) = delete;
    AddressWalk& operator=(const AddressWalk&) = delete;

    // How long the resolver may be asked for a name, where `names_after` others follow.
    [[nodiscard]] Duration share_of_name(TimePoint now, std::size_t names_after) const;

    // The addresses of a name, in the order of the system; "" is a UNIX socket, of which nothing is
    // remembered. `names_after` others follow it.
    void begin(std::string name, std::vector<std::string> addresses, std::size_t names_after);

    struct Step {
        std::string address;
        // No value: it is the only one, and may take all the time that is left.
        std::optional<Duration> share;
    };
    // The next address of the name; none are left, or no time is, when there is no value.
    [[nodiscard]] std::optional<Step> next(TimePoint now);

    // How it went with the address that next() gave last.
    void worked();
    void failed(const pool::Failure& failure, bool said_by_server);
    // Its share is over.
    void timed_out();

    // What failed otherwise: a name without addresses. What a server said counts for more than what nobody
    // answered; otherwise the last failure counts.
    void keep(const pool::Failure& failure, bool said_by_server);
    [[nodiscard]] const pool::Failure& failure() const { return kept_; }

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
    std::string trying_;  // "": none
    Duration trying_for_{};
    bool any_tried_ = false;
    pool::Failure kept_{pool::FailureClass::unreachable, "the host has no address"};
    bool kept_was_said_ = false;
    bool any_failed_ = false;
};

}  // namespace proxyd::cluster
