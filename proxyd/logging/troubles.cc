#include "proxyd/logging/troubles.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "backends/report/redact.h"
#include "proxyd/logging/kept_name.h"
#include "proxyd/logging/repeat_limiter.h"

namespace proxyd::logging {
namespace {

// Returns of one subject that are written in one interval.
constexpr int most_returns = 3;

// Kinds of one subject that are counted separately.
constexpr std::size_t most_kinds = 50;

std::string kept(std::string_view text) {
    return std::string(redactable_beginning(text, kept_text));
}

std::string duration_text(Duration length) {
    return fmt::format("{:.1f} s", std::chrono::duration<double>(length).count());
}

std::string with_suffix(std::string_view text, const Repeats& repeats) {
    const auto suffix = repeats.suffix();
    return suffix.empty() ? std::string(text) : fmt::format("{} {}", text, suffix);
}

}  // namespace

std::uint64_t Troubles::Subject::counted() const {
    std::uint64_t sum = 0;
    for (const auto& [name, kind] : kinds) sum += kind.counted;
    return sum;
}

Troubles::Lines Troubles::failed(std::string_view name, std::string_view kind_name, Trouble trouble,
                                 std::string_view text, TimePoint now) {
    const auto key = kept_name(name);
    auto found = subjects_.find(key);
    if (found == subjects_.end()) {
        make_room();
        found = subjects_.emplace(key, Subject{}).first;
    }
    auto& subject = found->second;
    subject.heard_at = now;
    subject.last_failure = kept(text);
    if (trouble == Trouble::lasting && !subject.failing_since) subject.failing_since = now;
    auto kind_key = kept_name(kind_name);
    if (subject.kinds.size() >= most_kinds && !subject.kinds.contains(kind_key)) kind_key.clear();
    const auto known = subject.kinds.find(kind_key);
    if (known != subject.kinds.end() && now < known->second.written_at + interval_) {
        ++known->second.counted;
        known->second.last = kept(text);
        return {};
    }
    auto& kind = known != subject.kinds.end() ? known->second : subject.kinds[std::move(kind_key)];
    const Repeats repeats{kind.counted, now - kind.written_at};
    kind = {now, 0, {}};
    return {{Severity::warning, with_suffix(text, repeats)}};
}

Troubles::Lines Troubles::works_again(std::string_view name, std::string_view text, TimePoint now) {
    const auto found = subjects_.find(kept_name(name));
    if (found == subjects_.end() || !found->second.failing_since) return {};
    auto& subject = found->second;
    const auto length = now - *std::exchange(subject.failing_since, std::nullopt);
    subject.heard_at = now;
    Lines lines;
    if (now >= subject.returned_at + interval_) {
        if (subject.returns_counted > 0) write_due(subject, now, true, lines);
        subject.returned_at = now;
        subject.returns_written = 0;
    }
    subject.last_return = kept(text);
    if (subject.returns_written >= most_returns && interval_ > Duration::zero()) {
        ++subject.returns_counted;
        return lines;
    }
    ++subject.returns_written;
    const auto counted = subject.counted();
    subject.kinds.clear();
    const auto more = counted == 0   ? std::string()
                      : counted == 1 ? ", in which 1 more message was counted"
                                     : fmt::format(", in which {} more messages were counted", counted);
    lines.push_back({Severity::info, fmt::format("{} after {}{}", text, duration_text(length), more)});
    return lines;
}

// Writes the counts of one subject, once its interval has ended, or at once with `all`.
void Troubles::write_due(Subject& subject, TimePoint now, bool all, Lines& lines) const {
    if (subject.returns_counted > 0) {
        if (!all && now < subject.returned_at + interval_) return;
        const auto since = now - subject.returned_at;
        lines.push_back(
            {subject.failing_since ? Severity::warning : Severity::info,
             fmt::format("{}{}; it failed and came back {} more times in the last {}, the last time: {}",
                         subject.last_return, subject.failing_since ? ", and has failed again" : "",
                         subject.returns_counted, duration_text(since), subject.last_failure)});
        subject.returns_counted = 0;
        subject.returns_written = 0;
        subject.kinds.clear();
        return;
    }
    for (auto& [name, kind] : subject.kinds) {
        if (!all && now < kind.written_at + interval_) continue;
        if (kind.counted > 0) {
            const Repeats repeats{kind.counted, now - kind.written_at};
            lines.push_back({Severity::warning, repeats.prefix() + kind.last});
        }
        if (kind.counted > 0) kind = {now, 0, {}};
    }
}

Troubles::Lines Troubles::due(TimePoint now) {
    Lines lines;
    for (auto at = subjects_.begin(); at != subjects_.end();) {
        auto& subject = at->second;
        write_due(subject, now, false, lines);
        const bool over = !subject.failing_since && now >= subject.heard_at + interval_ &&
                          subject.counted() == 0 && subject.returns_counted == 0;
        at = over ? subjects_.erase(at) : std::next(at);
    }
    return lines;
}

Troubles::Lines Troubles::drain(TimePoint now) {
    Lines lines;
    for (auto& [name, subject] : subjects_) write_due(subject, now, true, lines);
    subjects_.clear();
    return lines;
}

void Troubles::make_room() {
    if (subjects_.size() < most_) return;
    subjects_.erase(std::min_element(
        subjects_.begin(), subjects_.end(),
        [](const auto& one, const auto& other) { return one.second.heard_at < other.second.heard_at; }));
}

}  // namespace proxyd::logging
