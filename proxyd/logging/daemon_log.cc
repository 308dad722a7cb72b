#include "proxyd/logging/daemon_log.h"

#include <string>
#include <utility>

#include "backends/report/redact.h"
#include "proxyd/logging/line_format.h"
#include "proxyd/logging/printable.h"

namespace proxyd::logging {
namespace {

spdlog::level::level_enum spdlog_level(Severity severity) {
    switch (severity) {
        case Severity::debug: return spdlog::level::debug;
        case Severity::info: return spdlog::level::info;
        case Severity::warning: return spdlog::level::warn;
        case Severity::error: return spdlog::level::err;
        case Severity::fatal: return spdlog::level::critical;
    }
    return spdlog::level::critical;
}

// The length of text that is redacted, of which text_limit bytes are written. Hidden text may be longer than
// the stars that replace it.
constexpr std::size_t read_limit = 4 * text_limit;

}  // namespace

DaemonLog::DaemonLog(Duration repeat_interval, Now now)
    : now_(std::move(now)), limiter_(repeat_interval), troubles_(repeat_interval), logger_("proxyd") {
    logger_.set_level(spdlog::level::info);
}

DaemonLog::~DaemonLog() = default;

void DaemonLog::write(Severity severity, std::string_view topic, std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (severity == Severity::debug && !logger_.should_log(spdlog::level::debug)) {
        return;
    }
    if (topic.empty() || severity == Severity::debug || severity == Severity::fatal) {
        emit(severity, text, {});
        return;
    }
    const auto verdict = limiter_.admit(severity, topic, text, now_());
    if (verdict.dropped) {
        emit(*verdict.dropped);
    }
    if (verdict.write) {
        emit(severity, text, verdict.repeats);
    }
}

void DaemonLog::failed(std::string_view subject, std::string_view kind, Trouble trouble,
                       std::string_view text) {
    const std::lock_guard lock(mutex_);
    emit(troubles_.failed(subject, kind, trouble, text, now_()));
}

void DaemonLog::works_again(std::string_view subject, std::string_view text) {
    const std::lock_guard lock(mutex_);
    emit(troubles_.works_again(subject, text, now_()));
}

void DaemonLog::set_sinks(std::vector<std::shared_ptr<LineSink>> sinks) {
    const std::lock_guard lock(mutex_);
    for (const auto& sink : sinks_) {
        lost_before_ += sink->lost();
    }
    sinks_ = std::move(sinks);
    logger_.sinks().assign(sinks_.begin(), sinks_.end());
}

void DaemonLog::set_verbose(bool verbose) {
    const std::lock_guard lock(mutex_);
    logger_.set_level(verbose ? spdlog::level::debug : spdlog::level::info);
}

void DaemonLog::set_keep_utf8(bool keep_utf8) {
    const std::lock_guard lock(mutex_);
    keep_utf8_ = keep_utf8;
}

void DaemonLog::set_repeat_interval(Duration interval) {
    const std::lock_guard lock(mutex_);
    limiter_.set_interval(interval);
    troubles_.set_interval(interval);
}

void DaemonLog::entered_chroot(std::string_view root) {
    const std::lock_guard lock(mutex_);
    for (const auto& sink : sinks_) {
        sink->entered_chroot(root);
    }
}

void DaemonLog::write_due() {
    const std::lock_guard lock(mutex_);
    for (const auto& summary : limiter_.due(now_())) {
        emit(summary);
    }
    emit(troubles_.due(now_()));
}

std::optional<TimePoint> DaemonLog::next_due() const {
    const std::lock_guard lock(mutex_);
    return limiter_.next_due();
}

void DaemonLog::write_all_counts() {
    const std::lock_guard lock(mutex_);
    for (const auto& summary : limiter_.drain(now_())) {
        emit(summary);
    }
    emit(troubles_.drain(now_()));
}

std::uint64_t DaemonLog::lost() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = lost_before_;
    for (const auto& sink : sinks_) {
        sum += sink->lost();
    }
    return sum;
}

void DaemonLog::emit(Severity severity, std::string_view text, const Repeats& repeats) {
    auto suffix = repeats.suffix();
    if (!suffix.empty()) {
        suffix.insert(0, 1, ' ');
    }
    emit(severity, {}, text, suffix);
}

void DaemonLog::emit(const RepeatLimiter::Summary& summary) {
    emit(summary.severity, summary.repeats.prefix(), summary.text, {});
}

void DaemonLog::emit(const Troubles::Lines& lines) {
    for (const auto& line : lines) emit(line.severity, {}, line.text, {});
}

void DaemonLog::emit(Severity severity, std::string_view prefix, std::string_view text,
                     std::string_view suffix) {
    std::string line(severity_prefix(severity));
    line += prefix;
    // The count must not be cut off, so the text is cut for it.
    line += clipped(printable(redact(redactable_beginning(text, read_limit)), keep_utf8_),
                    text_limit - line.size() - suffix.size());
    line += suffix;
    logger_.log(spdlog_level(severity), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace proxyd::logging
