#include "proxyd/logging/sinks.h"

#include <cerrno>
#include <ctime>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <syslog.h>
#include <unistd.h>

namespace proxyd::logging {
namespace {

int syslog_level(spdlog::level::level_enum level) {
    switch (level) {
        case spdlog::level::warn: return LOG_WARNING;
        case spdlog::level::err: return LOG_ERR;
        case spdlog::level::critical: return LOG_CRIT;
        default: return LOG_INFO;  // verbose lines too: most sites throw LOG_DEBUG away
    }
}

}  // namespace

void LineSink::sink_it_(const spdlog::details::log_msg& message) {
    const std::string_view text(message.payload.data(), message.payload.size());
    if (untold_ > 0) {
        const auto note = fmt::format("warning: {} log lines lost, their receiver did not keep up", untold_);
        if (!deliver(message.time, spdlog::level::warn, note)) {
            ++lost_;
            ++untold_;
            return;
        }
        untold_ = 0;
    }
    if (!deliver(message.time, message.level, text)) {
        ++lost_;
        ++untold_;
    }
}

SyslogSink::SyslogSink(std::string program, int facility, const std::string& path)
    : program_(std::move(program)),
      facility_(facility),

      sender_(path),
      use_libc_(sender_.connect_error() == EPROTOTYPE) {
    ::tzset();  // the time zone's file may be out of reach later, in a chroot
    if (use_libc_) {
        ::openlog(program_.c_str(), LOG_PID | LOG_NDELAY, facility_);
    }
}

bool SyslogSink::deliver(WallTime time, spdlog::level::level_enum level, std::string_view text) {
    const int priority = facility_ | syslog_level(level);
    if (use_libc_) {
        ::syslog(priority, "%.*s", static_cast<int>(text.size()), text.data());
        return true;
    }
    return sender_.send(syslog_line(time, priority, program_, ::getpid(), text));
}

PostlogSink::PostlogSink(std::string program, std::string host, const std::string& path)
    : program_(std::move(program)), host_(std::move(host)), sender_(path) {
    ::tzset();
}

bool PostlogSink::deliver(WallTime time, spdlog::level::level_enum /*level*/, std::string_view text) {
    return sender_.send(postlog_line(time, host_, program_, ::getpid(), text));
}

StreamSink::StreamSink(std::string program, bool timestamps, int fd)
    : program_(std::move(program)), timestamps_(timestamps), fd_(fd) {
    ::tzset();
}

bool StreamSink::deliver(WallTime time, spdlog::level::level_enum /*level*/, std::string_view text) {
    const auto line = timestamps_ ? fmt::format("{} {}: {}\n", timestamp(time, '0'), program_, text)
                                  : fmt::format("{}: {}\n", program_, text);
    // A pipe that is ready takes at least PIPE_BUF bytes, more than a line has: this write does not wait.
    pollfd ready{fd_, POLLOUT, 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
        return false;
    }
    ssize_t written = 0;
    do {
        written = ::write(fd_, line.data(), line.size());
    } while (written < 0 && errno == EINTR);
    return written == static_cast<ssize_t>(line.size());
}

}  // namespace proxyd::logging
