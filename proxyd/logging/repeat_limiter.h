// Keeps one cause from filling the log: one line per topic and interval, and a count of the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backends/event/clock.h"
#include "backends/report/log.h"

namespace proxyd::logging {

// Lines that were counted instead of written.
struct Repeats {
    std::uint64_t count = 0;
    Duration span{};  // how long they were collected

    // Follows a new line: "(N more like this in the last M s)", or "" for none.
    [[nodiscard]] std::string suffix() const;
    // Precedes a line that is not new: "N earlier messages like this in the last M s were counted: ", or
    // "once more in the last M s: ".
    [[nodiscard]] std::string prefix() const;
};

// Pure: the caller passes the time, which must not go backwards. The same topic at another severity is
// another topic, so a warning never hides an error. Holds at most `max_topics` topics with their last line: a
// few kB each, whatever the length of topic and text.
class RepeatLimiter {
  public:
    // A counted topic's last line. The prefix of its repeats precedes it, because it is no new trouble.
    struct Summary {
        Severity severity = Severity::info;
        std::string text;
        Repeats repeats;
    };

    struct Verdict {
        bool write = true;
        Repeats repeats;                 // of this topic since its last line; to be appended to the line
        std::optional<Summary> dropped;  // of the oldest topic, which had to make room
    };

    // An interval of zero lets every line through.
    explicit RepeatLimiter(Duration interval, std::size_t max_topics = 1000);

    [[nodiscard]] Verdict admit(Severity severity, std::string_view topic, std::string_view text,
                                TimePoint now);

    // Topics whose interval has ended with counted lines. Call regularly, for instance at next_due().
    [[nodiscard]] std::vector<Summary> due(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_due() const;

    // Everything counted so far, before the process ends.
    [[nodiscard]] std::vector<Summary> drain(TimePoint now);

    void set_interval(Duration interval) { interval_ = interval; }
    [[nodiscard]] std::size_t topics() const { return entries_.size(); }

  private:
    struct Entry {
        std::string key;
        Severity severity;
        TimePoint since;  // when its last line was written
        std::uint64_t counted = 0;
        std::string last;
    };
    using Entries = std::list<Entry>;

    static Summary summary(const Entry& entry, TimePoint now);
    void restart(Entries::iterator entry, TimePoint now);
    void forget(Entries::iterator entry);

    Duration interval_;
    std::size_t max_topics_;
    Entries entries_;  // by `since`, oldest first
    std::unordered_map<std::string_view, Entries::iterator> by_key_;
};

}  // namespace proxyd::logging
