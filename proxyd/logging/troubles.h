// Decides which lines are written about subjects that fail and work again, and when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/event/clock.h"
#include "backends/report/log.h"
#include "backends/report/trouble_log.h"

namespace proxyd::logging {

// Pure: the caller passes the time, which must not go backwards. Each call returns the lines to write now.
//
// A failure is written if it is the first of its kind since the subject worked, otherwise once an interval,
// with the count of the others. A return is written with the length of the trouble and the number of counted
// messages. It ends the counting, so that the next failure is written at once. When failures and returns
// alternate often, only the first few of an interval are written, and one line at its end gives the number of
// the others.
class Troubles {
  public:
    struct Line {
        Severity severity = Severity::info;
        std::string text;
    };
    using Lines = std::vector<Line>;

    // An interval of zero lets every line through. With more than `most` subjects the oldest is forgotten.
    // Too many kinds of one subject count as one. Long names and texts are cut.
    explicit Troubles(Duration interval, std::size_t most = 1000) : interval_(interval), most_(most) {}

    [[nodiscard]] Lines failed(std::string_view subject, std::string_view kind, Trouble trouble,
                               std::string_view text, TimePoint now);
    [[nodiscard]] Lines works_again(std::string_view subject, std::string_view text, TimePoint now);

    // The counts that are due. Call every few seconds.
    [[nodiscard]] Lines due(TimePoint now);

    // Everything counted so far, before the process ends.
    [[nodiscard]] Lines drain(TimePoint now);

    void set_interval(Duration interval) { interval_ = interval; }
    [[nodiscard]] std::size_t subjects() const { return subjects_.size(); }

  private:
    struct Kind {
        TimePoint written_at;
        std::uint64_t counted = 0;
        std::string last;
    };
    struct Subject {
        TimePoint heard_at;
        std::optional<TimePoint> failing_since;
        std::map<std::string, Kind, std::less<>> kinds;
        TimePoint returned_at{};  // the first time in this interval
        int returns_written = 0;  // in this interval
        std::uint64_t returns_counted = 0;
        std::string last_return;
        std::string last_failure;

        [[nodiscard]] std::uint64_t counted() const;
    };

    void write_due(Subject& subject, TimePoint now, bool all, Lines& lines) const;
    void make_room();

    Duration interval_;
    std::size_t most_;
    std::map<std::string, Subject, std::less<>> subjects_;
};

}  // namespace proxyd::logging
