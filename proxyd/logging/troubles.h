// What is written of subjects that fail and work again, and when.
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

// Pure: time is handed in and must not go backwards. Each call returns the lines to write now.
//
// A failure is written when it is the first of its kind since the subject worked, and else once an interval,
// with the count of the others. A return is written with the length of the trouble and what was counted in
// it; it ends the counting, so that the next failure is written at once. Where failures and returns follow
// each other often, only the first few of an interval are written, and one line at its end tells how many
// there were.
class Troubles {
  public:
    struct Line {
        Severity severity = Severity::info;
        std::string text;
    };
    using Lines = std::vector<Line>;

    // An interval of zero lets every line through. Of more than `most` subjects the oldest is forgotten.
    // So do the kinds of one subject beyond the first few: these count as one. Of long names and texts the
    // beginning is kept.
    explicit Troubles(Duration interval, std::size_t most = 1000) : interval_(interval), most_(most) {}

    [[nodiscard]] Lines failed(std::string_view subject, std::string_view kind, Trouble trouble,
                               std::string_view text, TimePoint now);
    [[nodiscard]] Lines works_again(std::string_view subject, std::string_view text, TimePoint now);

    // What has been counted and is due. Call every few seconds.
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
