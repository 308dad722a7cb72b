// What a thread is doing that may not come back, for a process that watches this one from outside.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd {

// Lies in memory that the watching process sees, too. One thread writes.
class ActivityBoard {
  public:
    // Cut when it is too long.
    void show(std::string_view what, std::string_view object) noexcept;
    void clear() noexcept { length_.store(0, std::memory_order_release); }

    // "" when nothing is shown. Right only while the writer stands still.
    [[nodiscard]] std::string text() const;

  private:
    std::atomic<std::size_t> length_{0};
    std::array<char, 1000> text_{};
};

// Where Activity shows what this thread does; null, as at first: nowhere. The board must outlive the thread's
// activities.
void set_activity_board(ActivityBoard* board);

// Shown from construction to destruction. An inner one ends the outer.
class Activity {
  public:
    // "looking at the file", "/etc/postfix/sql/aliases.cf"
    Activity(std::string_view what, std::string_view object);
    ~Activity();
    Activity(const Activity&) = delete;
    Activity& operator=(const Activity&) = delete;
};

}  // namespace proxyd
