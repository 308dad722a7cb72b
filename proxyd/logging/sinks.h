// The targets of log lines. A sink gets finished text (printable, prefixed, cut) and adds the format of its
// target. It never waits for its receiver. It counts the lines that cannot be sent, and reports the number of
// lost lines before the next line that gets through. Not thread-safe; DaemonLog locks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/types.h>

#include "proxyd/logging/datagram_sender.h"
#include "proxyd/logging/line_format.h"

namespace proxyd::logging {

class LineSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    // Lines that never reached the target, since the start.
    [[nodiscard]] std::uint64_t lost() const { return lost_; }
    virtual void entered_chroot(std::string_view /*root*/) {}

  protected:
    virtual bool deliver(WallTime time, spdlog::level::level_enum level, std::string_view text) = 0;

  private:
    void sink_it_(const spdlog::details::log_msg& message) final;
    void flush_() final {}

    std::uint64_t lost_ = 0;
    std::uint64_t untold_ = 0;
};

// The local syslog socket, with Postfix's levels: LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT. libc's syslog()
// could block the daemon; it is used only where the socket is not a datagram socket.
class SyslogSink final : public LineSink {
  public:
    // `facility` is LOG_MAIL etc.; `program` is "TAG/NAME".
    SyslogSink(std::string program, int facility, const std::string& path = "/dev/log");
    void entered_chroot(std::string_view root) override { sender_.entered_chroot(root); }

  private:
    bool deliver(WallTime time, spdlog::level::level_enum level, std::string_view text) override;

    std::string program_;
    int facility_;
    DatagramSender sender_;
    bool use_libc_;
};

// postlogd(8), for sites with `maillog_file`: the socket at POSTLOG_SERVICE, or
// $queue_directory/public/postlog.
class PostlogSink final : public LineSink {
  public:
    // `host` is the first label of myhostname.
    PostlogSink(std::string program, std::string host, const std::string& path);
    void entered_chroot(std::string_view root) override { sender_.entered_chroot(root); }

  private:
    bool deliver(WallTime time, spdlog::level::level_enum level, std::string_view text) override;

    std::string program_;
    std::string host_;
    DatagramSender sender_;
};

// Writes to a descriptor that it does not own, usually 2: "proxyd: warning: text", with the time in front if
// `timestamps` is set.
class StreamSink final : public LineSink {
  public:
    StreamSink(std::string program, bool timestamps, int fd = 2);

  private:
    bool deliver(WallTime time, spdlog::level::level_enum level, std::string_view text) override;

    std::string program_;
    bool timestamps_;
    int fd_;
};

}  // namespace proxyd::logging
