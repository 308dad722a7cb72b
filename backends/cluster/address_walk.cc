#include "backends/cluster/address_walk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace proxyd::cluster {
namespace {

// A connection with TLS takes this long on a loaded machine, or to the other side of the world.
constexpr std::chrono::milliseconds least_share{250};

}  // namespace

std::vector<std::string> AddressMemory::in_order(const std::string& name,
                                                 std::vector<std::string> addresses) {
    const auto known = names_.find(name);
    if (known == names_.end()) return addresses;
    auto& [worked_last, failures] = known->second;
    std::erase_if(failures, [&addresses](const auto& item) {
        return std::find(addresses.begin(), addresses.end(), item.first) == addresses.end();
    });
    // The smallest rank comes first. The number of a failure is never 0.
    const auto rank = [&worked_last = worked_last, &failures = failures](const std::string& address) {
        const auto failure = failures.find(address);
        const auto when = failure != failures.end() ? failure->second : 0;
        return std::pair(when, address != worked_last);
    };
    std::stable_sort(addresses.begin(), addresses.end(),
                     [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
    return addresses;
}

void AddressMemory::worked(const std::string& name, const std::string& address) {
    auto& known = names_[name];
    known.worked_last = address;
    known.failures.erase(address);
}

void AddressMemory::failed(const std::string& name, const std::string& address) {
    names_[name].failures[address] = ++failures_;
}

// Ends a little before `limit`: so the walk itself ends the attempt and gives the reason, not the caller's
// timer.
AddressWalk::AddressWalk(AddressMemory& memory, TimePoint begun, Duration limit)
    : memory_(memory),
      end_(begun + limit - limit / 20),
      least_share_(std::min<Duration>(least_share, limit / 2)) {}

AddressWalk::~AddressWalk() {
    leave();
}

// The address that is being tried has failed.
void AddressWalk::leave() {
    if (trying_.empty()) return;
    memory_.failed(name_, trying_);
    trying_.clear();
}

Duration AddressWalk::left(TimePoint now) const {
    return std::max(Duration::zero(), end_ - now);
}

bool AddressWalk::has_time(TimePoint now) const {
    return !any_tried_ || left(now) >= least_share_;
}

Duration AddressWalk::share_of_name(TimePoint now, std::size_t names_after) const {
    return std::max(least_share_, left(now) / static_cast<int>(names_after + 1));
}

void AddressWalk::begin(std::string name, std::vector<std::string> addresses, std::size_t names_after) {
    leave();
    name_ = std::move(name);
    addresses_ = memory_.in_order(name_, std::move(addresses));
    std::reverse(addresses_.begin(), addresses_.end());
    names_after_ = names_after;
}

std::optional<AddressWalk::Step> AddressWalk::next(TimePoint now) {
    if (addresses_.empty() || !has_time(now)) return std::nullopt;
    const auto others = addresses_.size() - 1 + names_after_;
    Step step{std::move(addresses_.back()), std::nullopt};
    addresses_.pop_back();
    if (others > 0 || any_tried_) {
        step.share = std::max(least_share_, left(now) / static_cast<int>(others + 1));
        trying_for_ = *step.share;
    }
    any_tried_ = true;
    trying_ = step.address;
    return step;
}

void AddressWalk::worked() {
    if (trying_.empty()) return;
    memory_.worked(name_, trying_);
    trying_.clear();
}

void AddressWalk::failed(const pool::Failure& failure, bool said_by_server) {
    leave();
    keep(failure, said_by_server);
}

void AddressWalk::timed_out() {
    const auto seconds = std::chrono::duration<double>(trying_for_).count();
    failed({pool::FailureClass::unreachable,
            fmt::format("address {}: no connection within {:.2f} s, its share of connect_timeout", trying_,
                        seconds)},
           false);
}

void AddressWalk::keep(const pool::Failure& failure, bool said_by_server) {
    if (kept_was_said_ && !said_by_server) return;
    // The server that cannot be reached may be the one with the wanted role.
    const bool other_is_away = kept_ && kept_->kind == pool::FailureClass::unreachable;
    if (failure.kind == pool::FailureClass::unwanted && other_is_away) return;
    kept_ = failure;
    kept_was_said_ = said_by_server;
}

pool::Failure AddressWalk::failure() const {
    return kept_.value_or(pool::Failure{pool::FailureClass::unreachable, "the host has no address"});
}

}  // namespace proxyd::cluster
