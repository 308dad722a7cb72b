// Limits the SQLite handles that are open at once, over all files: clients need descriptors, too.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "backends/event/clock.h"

namespace proxyd::sqlite {

class Database;

// Used in the loop's thread, except for closed().
class OpenFiles {
  public:
    // The limit of handles for a process with so many descriptors.
    [[nodiscard]] static std::size_t most_for(std::size_t descriptors);

    void add(Database& database) { databases_.push_back(&database); }
    void remove(Database& database) { std::erase(databases_, &database); }

    // Whether one more handle may be opened now; closed() follows when it is closed. False: the database
    // waits in line, and Database::proceed() is called when its turn comes. Meanwhile the idle handle that
    // was used longest ago is closed, or a handle that has been open for a while ends its work and is closed.
    [[nodiscard]] bool open(const std::shared_ptr<Database>& database, TimePoint now);

    // May be called from any thread.
    void closed() { --open_; }

    // Called in the loop after closed(): serves the next database in line.
    void next();

    // Called repeatedly while databases wait.
    void make_room(TimePoint now);

  private:
    [[nodiscard]] bool full() const;

    std::atomic<std::size_t> open_{0};
    std::vector<Database*> databases_;
    std::deque<std::weak_ptr<Database>> line_;
};

}  // namespace proxyd::sqlite
