// What the clients together make the daemon keep for them, and who has to go when that is too much.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "backends/event/clock.h"

namespace proxyd::server {

// Counts bytes of clients, named by their descriptors, that hold more than `small`: no client of Postfix
// comes near that, so that nobody who behaves is ever counted.
class ClientMemory {
  public:
    static constexpr std::size_t small = 8192;

    explicit ClientMemory(std::size_t limit) : limit_(limit) {}

    void set_limit(std::size_t limit) { limit_ = limit; }

    // What the client's buffers take now: unfinished requests, requests sent ahead, unread replies.
    void holds(int client, std::size_t bytes, TimePoint now);
    void forget(int client);

    [[nodiscard]] bool exceeded() const { return held_ > allowed(); }
    [[nodiscard]] std::size_t held() const { return held_; }

    // Those that have held the most for the longest (bytes times time), first the worst: so many that without
    // them an eighth of what they may hold is free.
    [[nodiscard]] std::vector<int> worst(TimePoint now) const;

    // A request that is about to be worked on: false when those under way take as much as the limit
    // allows already. To be followed by done() with the same size.
    [[nodiscard]] bool begin(std::size_t request_bytes);
    void done(std::size_t request_bytes);

    // Long replies share the limit, but are counted apart: those that read them are no hoarders. One fits in
    // any case. begin_reply() is to be followed by end_reply() with the same size.
    [[nodiscard]] bool has_room_for_reply(std::size_t bytes) const {
        return replies_ == 0 || replies_ + held_ + bytes <= limit_;
    }
    [[nodiscard]] std::size_t long_replies() const { return replies_; }
    void begin_reply(std::size_t bytes) { replies_ += bytes; }
    void end_reply(std::size_t bytes) { replies_ -= bytes; }

  private:
    // What long replies leave of the limit; a quarter in any case.
    [[nodiscard]] std::size_t allowed() const {
        return replies_ < limit_ - limit_ / 4 ? limit_ - replies_ : limit_ / 4;
    }

    struct Holding {
        std::size_t bytes = 0;
        TimePoint since{};
    };

    std::size_t limit_;
    std::size_t held_ = 0;
    std::size_t under_way_ = 0;
    std::size_t replies_ = 0;
    std::unordered_map<int, Holding> clients_;
};

}  // namespace proxyd::server
