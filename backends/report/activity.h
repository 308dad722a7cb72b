// Shows an operation of a thread that may never return to a process that watches from outside.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

namespace proxyd {

// Lies in memory that the watching process shares. One thread writes.
class ActivityBoard {
  public:
    // Text that is too long is cut.
    void show(std::string_view what, std::string_view object) noexcept;
    void clear() noexcept { length_.store(0, std::memory_order_release); }

    // "" when nothing is shown. Correct only while the writer stands still.
    [[nodiscard]] std::string text() const;

  private:
    std::atomic<std::size_t> length_{0};
    std::array<char, 1000> text_{};
};

// Sets the board for this thread's activities; null, as at first: no board. The board must outlive the
// thread's activities.
void set_activity_board(ActivityBoard* board);

// Shown from construction to destruction. An inner activity ends the outer one.
class Activity {
  public:
    // "looking at the file", "/etc/postfix/sql/aliases.cf"
    Activity(std::string_view what, std::string_view object);
    ~Activity();
    Activity(const Activity&) = delete;
    Activity& operator=(const Activity&) = delete;
};

}  // namespace proxyd
