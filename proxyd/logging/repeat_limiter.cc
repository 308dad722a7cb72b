#include "proxyd/logging/repeat_limiter.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "backends/report/redact.h"
#include "proxyd/logging/kept_name.h"

namespace proxyd::logging {
namespace {

std::int64_t whole_seconds(Duration span) {
    return std::max<std::int64_t>(1, std::chrono::round<std::chrono::seconds>(span).count());
}

}  // namespace

std::string Repeats::suffix() const {
    if (count == 0) {
        return {};
    }
    return fmt::format("({} more like this in the last {} s)", count, whole_seconds(span));
}

std::string Repeats::prefix() const {
    // A single counted line is written itself, late.
    if (count == 1) return fmt::format("once more in the last {} s: ", whole_seconds(span));
    return fmt::format("{} earlier messages like this in the last {} s were counted: ", count,
                       whole_seconds(span));
}

RepeatLimiter::RepeatLimiter(Duration interval, std::size_t max_topics)
    : interval_(interval), max_topics_(std::max<std::size_t>(1, max_topics)) {}

RepeatLimiter::Verdict RepeatLimiter::admit(Severity severity, std::string_view topic, std::string_view text,
                                            TimePoint now) {
    Verdict verdict;
    if (interval_ <= Duration::zero()) {
        return verdict;
    }
    std::string key(1, static_cast<char>('0' + static_cast<int>(severity)));
    key += kept_name(topic);

    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        const auto entry = found->second;
        if (now < entry->since + interval_) {
            ++entry->counted;
            entry->last.assign(redactable_beginning(text, kept_text));
            verdict.write = false;
            return verdict;
        }
        verdict.repeats = {entry->counted, now - entry->since};
        restart(entry, now);
        return verdict;
    }

    if (entries_.size() >= max_topics_) {
        if (entries_.front().counted > 0) {
            verdict.dropped = summary(entries_.front(), now);
        }
        forget(entries_.begin());
    }
    entries_.push_back({std::move(key), severity, now, 0, {}});
    const auto added = std::prev(entries_.end());
    by_key_.emplace(added->key, added);
    return verdict;
}

std::vector<RepeatLimiter::Summary> RepeatLimiter::due(TimePoint now) {
    std::vector<Summary> out;
    while (!entries_.empty() && entries_.front().since + interval_ <= now) {
        const auto entry = entries_.begin();
        if (entry->counted == 0) {
            forget(entry);
            continue;
        }
        out.push_back(summary(*entry, now));
        if (interval_ > Duration::zero()) {
            restart(entry, now);
        } else {
            forget(entry);
        }
    }
    return out;
}

std::optional<TimePoint> RepeatLimiter::next_due() const {
    if (entries_.empty()) {
        return std::nullopt;
    }
    return entries_.front().since + interval_;
}

std::vector<RepeatLimiter::Summary> RepeatLimiter::drain(TimePoint now) {
    std::vector<Summary> out;
    for (const auto& entry : entries_) {
        if (entry.counted > 0) {
            out.push_back(summary(entry, now));
        }
    }
    by_key_.clear();
    entries_.clear();
    return out;
}

RepeatLimiter::Summary RepeatLimiter::summary(const Entry& entry, TimePoint now) {
    return {entry.severity, entry.last, {entry.counted, now - entry.since}};
}

void RepeatLimiter::restart(Entries::iterator entry, TimePoint now) {
    entry->since = now;
    entry->counted = 0;
    entry->last.clear();
    entries_.splice(entries_.end(), entries_, entry);
}

void RepeatLimiter::forget(Entries::iterator entry) {
    by_key_.erase(entry->key);
    entries_.erase(entry);
}

}  // namespace proxyd::logging
