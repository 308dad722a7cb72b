// The daemon's log: severity prefixes, printable text, repeats counted, any number of sinks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include <spdlog/logger.h>

#include "backends/report/log.h"
#include "backends/report/trouble_log.h"
#include "proxyd/logging/repeat_limiter.h"
#include "proxyd/logging/sinks.h"
#include "proxyd/logging/troubles.h"

namespace proxyd::logging {

// Any thread may write to it. Once constructed it never waits or throws. Without a sink it drops everything.
// Callers pass no passwords; text that looks like one is hidden nevertheless (backends/report/redact.h).
class DaemonLog final : public Log, public TroubleLog {
  public:
    using Now = std::function<TimePoint()>;

    explicit DaemonLog(Duration repeat_interval = std::chrono::seconds(60), Now now = Clock::now);
    ~DaemonLog() override;

    // Lines of a topic beyond the first are counted; fatal and debug lines never are.
    void write(Severity severity, std::string_view topic, std::string_view text) override;

    void failed(std::string_view subject, std::string_view kind, Trouble trouble,
                std::string_view text) override;
    void works_again(std::string_view subject, std::string_view text) override;

    // Replaces the sinks: a provisional one at the start, the final ones when main.cf is known.
    void set_sinks(std::vector<std::shared_ptr<LineSink>> sinks);
    void set_verbose(bool verbose);      // debug lines are written
    void set_keep_utf8(bool keep_utf8);  // smtputf8_enable
    void set_repeat_interval(Duration interval);
    void entered_chroot(std::string_view root);  // paths of log sockets are inside `root` from now on

    // Writes the counts of topics that went quiet. For a timer, every few seconds or at next_due().
    void write_due();
    [[nodiscard]] std::optional<TimePoint> next_due() const;

    // Writes all counts, before the process ends.
    void write_all_counts();

    // Lines that a sink could not deliver, for the metrics.
    [[nodiscard]] std::uint64_t lost() const;

  private:
    void emit(Severity severity, std::string_view text, const Repeats& repeats);
    void emit(const RepeatLimiter::Summary& summary);
    void emit(const Troubles::Lines& lines);
    void emit(Severity severity, std::string_view prefix, std::string_view text, std::string_view suffix);

    mutable std::mutex mutex_;
    Now now_;
    RepeatLimiter limiter_;
    Troubles troubles_;
    bool keep_utf8_ = false;
    std::vector<std::shared_ptr<LineSink>> sinks_;
    spdlog::logger logger_;
    std::uint64_t lost_before_ = 0;  // by sinks that have been replaced
};

}  // namespace proxyd::logging
