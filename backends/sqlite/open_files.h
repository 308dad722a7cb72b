// How many SQLite handles are open at once, over all files: the descriptors are there for clients, too.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "backends/event/clock.h"

namespace proxyd::sqlite {

class Database;

// In the loop's thread, save for closed().
class OpenFiles {
  public:
    // As many as suit a process with so many descriptors.
    [[nodiscard]] static std::size_t most_for(std::size_t descriptors);

    void add(Database& database) { databases_.push_back(&database); }
    void remove(Database& database) { std::erase(databases_, &database); }

    // One more handle may be opened now; closed() follows when it is closed. False: the database is in the
    // line, and hears by Database::proceed() when it is its turn. Then a handle that is idle, the one that
    // was used the longest ago, is closed, or one that has been open for a while ends its work and is.
    [[nodiscard]] bool open(const std::shared_ptr<Database>& database, TimePoint now);

    // From any thread.
    void closed() { --open_; }

    // After closed(), in the loop: the next in the line.
    void next();

    // Again and again while some wait.
    void make_room(TimePoint now);

  private:
    [[nodiscard]] bool full() const;

    std::atomic<std::size_t> open_{0};
    std::vector<Database*> databases_;
    std::deque<std::weak_ptr<Database>> line_;
};

}  // namespace proxyd::sqlite
