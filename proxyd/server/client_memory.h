// The memory that the daemon holds for all clients together, and the choice of clients to close when it is
// too much.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "backends/event/clock.h"

namespace proxyd::server {

// Counts bytes of clients, named by their descriptors, that hold more than `small`: no client of Postfix
// comes near that, so well-behaved clients are never counted.
class ClientMemory {
  public:
    static constexpr std::size_t small = 8192;

    explicit ClientMemory(std::size_t limit) : limit_(limit) {}

    void set_limit(std::size_t limit) { limit_ = limit; }

    // The size of the client's buffers now: unfinished requests, requests sent ahead, unread replies.
    void holds(int client, std::size_t bytes, TimePoint now);
    void forget(int client);

    [[nodiscard]] bool exceeded() const { return held_ > allowed(); }
    [[nodiscard]] std::size_t held() const { return held_; }

    // The clients that have held the most for the longest (bytes times time), worst first. Without them an
    // eighth of the allowed memory is free.
    [[nodiscard]] std::vector<int> worst(TimePoint now) const;

    // Counts a request that is about to be served. False when the requests under way already fill the limit;
    // otherwise call done() with the same size later.
    [[nodiscard]] bool begin(std::size_t request_bytes);
    void done(std::size_t request_bytes);

    // Long replies share the limit, but are counted separately, because their readers are not at fault. One
    // always fits. Call end_reply() after begin_reply(), with the same size.
    [[nodiscard]] bool has_room_for_reply(std::size_t bytes) const {
        return replies_ == 0 || replies_ + held_ + bytes <= limit_;
    }
    [[nodiscard]] std::size_t long_replies() const { return replies_; }
    void begin_reply(std::size_t bytes) { replies_ += bytes; }
    void end_reply(std::size_t bytes) { replies_ -= bytes; }

  private:
    // The part of the limit that long replies leave; at least a quarter.
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
