#include "proxyd/server/drain.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace proxyd::server {
namespace {

// How often quiet clients are looked for, and how long before the end the others are closed, too.
constexpr std::chrono::milliseconds drain_step{20};
constexpr std::chrono::seconds drain_end_game{2};

}  // namespace

Drain::Drain(Loop& loop, Events events)
    : loop_(loop), events_(std::move(events)), timer_(loop.make_timer([this] { step(); })) {}

void Drain::start(Duration limit) {
    if (state_ != State::none) return;
    state_ = State::waiting;
    ends_ = loop_.now() + limit;
    timer_->start(Duration::zero());
}

void Drain::hurry(Duration limit) {
    if (state_ != State::waiting) return;
    hurries_ = true;
    ends_ = std::min(ends_, loop_.now() + limit);
}

void Drain::step() {
    const auto now = loop_.now();
    const auto left = events_.close_clients(ends_ - now <= drain_end_game ? Clients::all : Clients::if_quiet);
    if (left == 0 || now >= ends_) {
        state_ = State::finished;
        events_.finished(left);
        return;
    }
    timer_->start(drain_step);
}

}  // namespace proxyd::server
