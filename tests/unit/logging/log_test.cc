// Log lines on real datagram sockets, as syslogd and postlogd have them.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "proxyd/logging/daemon_log.h"
#include "proxyd/logging/line_format.h"

namespace proxyd::logging {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = "/tmp/proxyd_log_XXXXXX";
        path_ = ::mkdtemp(name.data());
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// The receiving end: syslogd or postlogd.
class Receiver {
  public:
    explicit Receiver(const std::string& path, int type = SOCK_DGRAM)
        : fd_(::socket(AF_UNIX, type | SOCK_NONBLOCK, 0)) {
        ::unlink(path.c_str());
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, path.size());
        EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0) << path;
    }
    ~Receiver() { ::close(fd_); }
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    // The next line; "" if there is none.
    std::string next() {
        std::array<char, 8192> buffer{};
        const auto size = ::recv(fd_, buffer.data(), buffer.size(), 0);
        return size < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(size));
    }

  private:
    int fd_;
};

// Collects finished lines. Can be told to refuse them.
class ListSink final : public LineSink {
  public:
    std::vector<std::string> lines;
    std::vector<spdlog::level::level_enum> levels;
    bool broken = false;

  private:
    bool deliver(WallTime, spdlog::level::level_enum level, std::string_view text) override {
        if (!broken) {
            lines.emplace_back(text);
            levels.push_back(level);
        }
        return !broken;
    }
};

// 2026-11-20 21:34:06 UTC
WallTime example_time(int day = 20) {
    return std::chrono::sys_days(std::chrono::year(2026) / 11 / day) + std::chrono::hours(21) +
           std::chrono::minutes(34) + seconds(6);
}

class InUtc : public testing::Test {
  protected:
    void SetUp() override {
        ::setenv("TZ", "UTC0", 1);
        ::tzset();
    }
};

using LineFormat = InUtc;

TEST_F(LineFormat, PostlogDatagram) {
    const auto line = postlog_line(example_time(), "spec", "postfix/proxymap", 6099,
                                   "warning: unrecognized request: \"frob\", ignored");
    EXPECT_EQ(
        line,
        "Nov 20 21:34:06 spec postfix/proxymap[6099]: warning: unrecognized request: \"frob\", ignored");
    EXPECT_EQ(line.size(), 91U);
    EXPECT_THAT(postlog_line(example_time(2), "h", "p", 1, "t"),
                testing::StartsWith("Nov 02 21:34:06 h p[1]: t"));
}

TEST_F(LineFormat, SyslogDatagram) {
    EXPECT_EQ(syslog_line(example_time(2), LOG_MAIL | LOG_WARNING, "postfix/proxymap", 6099, "warning: x"),
              "<20>Nov  2 21:34:06 postfix/proxymap[6099]: warning: x");
}

TEST(LineFormatNames, FacilityHostAndProgram) {
    EXPECT_EQ(facility_from_name("mail"), LOG_MAIL);
    EXPECT_EQ(facility_from_name("LOCAL7"), LOG_LOCAL7);
    EXPECT_EQ(facility_from_name("male"), std::nullopt);
    EXPECT_EQ(facility_from_name(""), std::nullopt);
    EXPECT_EQ(short_hostname("mx.example.com"), "mx");
    EXPECT_EQ(short_hostname("mx"), "mx");
    EXPECT_EQ(program_name("postfix", "proxymap"), "postfix/proxymap");
    EXPECT_EQ(program_name("", "proxyd"), "proxyd");
}

class DaemonLogTest : public testing::Test {
  protected:
    DaemonLogTest() { log_.set_sinks({sink_}); }

    TimePoint now_{seconds(1000)};
    std::shared_ptr<ListSink> sink_ = std::make_shared<ListSink>();
    DaemonLog log_{seconds(60), [this] { return now_; }};
};

TEST_F(DaemonLogTest, SeveritiesArePrefixedAsPostfixDoes) {
    log_.debug("d");
    log_.info("i");
    log_.warning("w");
    log_.error("e");
    log_.write(Severity::fatal, {}, "f");
    EXPECT_THAT(sink_->lines, ElementsAre("i", "warning: w", "error: e", "fatal: f"));
    log_.set_verbose(true);
    log_.debug("d");
    EXPECT_EQ(sink_->lines.back(), "d");
    log_.set_verbose(false);
    log_.debug("e");
    EXPECT_EQ(sink_->lines.back(), "d");
}

TEST_F(DaemonLogTest, PasswordsInWhatALibrarySaidAreHidden) {
    log_.write(Severity::warning, "", "cannot connect to postgresql://u:pw@h: password=pw");
    EXPECT_THAT(sink_->lines,
                testing::ElementsAre("warning: cannot connect to postgresql://u:***@h: password=***"));
}

TEST_F(DaemonLogTest, TextIsTakenLiterallyAndMadePrintable) {
    log_.info("100% {} {0} %s\nx");
    log_.info("f\xc3\xbc");
    log_.set_keep_utf8(true);
    log_.info("f\xc3\xbc");
    EXPECT_THAT(sink_->lines, ElementsAre("100% {} {0} %s x", "f??", "f\xc3\xbc"));
}

TEST_F(DaemonLogTest, WhereALongTextIsCutNoPasswordShows) {
    const std::string secret = "s3cr3t";
    const auto uri = " postgresql://u:" + secret + "@h/d";
    // The limits are the text that is kept of counted lines, and the text that is redacted.
    for (const std::size_t limit : {2000U, 8000U}) {
        for (std::size_t before = limit - uri.size(); before <= limit; ++before) {
            const auto text = "password=" + std::string(before - 20, 'p') + uri;
            log_.write(Severity::warning, "topic", text);
            log_.write(Severity::warning, "topic", text);
            log_.write_all_counts();
        }
    }
    EXPECT_FALSE(sink_->lines.empty());
    for (const auto& line : sink_->lines) {
        EXPECT_EQ(line.find("s3"), std::string::npos) << line;
        EXPECT_EQ(line.find("pp"), std::string::npos) << line;
    }
}

TEST_F(DaemonLogTest, LongTextIsCutAndItsCountIsNot) {
    const std::string text(5000, 'x');
    log_.warning("t", text);
    EXPECT_EQ(sink_->lines.back().size(), 2000U);
    log_.warning("t", text);
    now_ += seconds(61);
    log_.warning("t", text);
    EXPECT_EQ(sink_->lines.back().size(), 2000U);
    EXPECT_THAT(sink_->lines.back(), EndsWith("x (1 more like this in the last 61 s)"));
}

TEST_F(DaemonLogTest, RepeatsOfATopicAreCountedOthersAreNot) {
    for (int i = 0; i < 3; ++i) {
        log_.warning("host db1", "db1 is down");
        log_.warning("no topic");
        log_.write(Severity::fatal, "host db1", "end");
    }
    EXPECT_EQ(sink_->lines.size(), 7U);
    EXPECT_EQ(log_.next_due(), TimePoint(seconds(1060)));
    now_ += seconds(60);
    log_.write_due();
    EXPECT_EQ(sink_->lines.back(),
              "warning: 2 earlier messages like this in the last 60 s were counted: db1 is down");
    now_ += seconds(5);
    log_.warning("host db1", "db1 is down");
    log_.write_all_counts();
    EXPECT_EQ(sink_->lines.back(), "warning: once more in the last 5 s: db1 is down");
}

TEST_F(DaemonLogTest, LostLinesAreToldWhenTheReceiverIsBack) {
    sink_->broken = true;
    log_.info("a");
    log_.info("b");
    EXPECT_EQ(log_.lost(), 2U);
    sink_->broken = false;
    log_.info("c");
    EXPECT_THAT(sink_->lines, ElementsAre(HasSubstr("2 log lines lost"), "c"));
    log_.set_sinks({});
    log_.info("nowhere");
    EXPECT_EQ(log_.lost(), 2U) << "counted by a sink that is gone";
}

TEST_F(DaemonLogTest, ALostNoticeAndItsLineAreOneLoss) {
    sink_->broken = true;
    log_.info("a");
    log_.info("b");
    log_.info("c");
    EXPECT_EQ(log_.lost(), 3U);
}

TEST(PostlogSinkTest, OneDatagramPerLine) {
    const TemporaryDirectory directory;
    Receiver postlogd(directory.file("postlog"));
    DaemonLog log;
    log.set_sinks({std::make_shared<PostlogSink>("postfix/proxymap", "mx", directory.file("postlog"))});
    log.warning("request for unapproved table: \"x\"");
    log.info("second");
    EXPECT_THAT(
        postlogd.next(),
        MatchesRegex(
            "[A-Z][a-z]+ [0-9]+ [0-9]+:[0-9]+:[0-9]+ mx postfix/proxymap.[0-9]+.: warning: request for "
            "unapproved table: \"x\""));
    EXPECT_THAT(postlogd.next(), EndsWith("]: second"));
    EXPECT_EQ(postlogd.next(), "");
}

TEST(SyslogSinkTest, LevelsAreThoseOfPostfix) {
    const TemporaryDirectory directory;
    Receiver syslogd(directory.file("log"));
    DaemonLog log;
    log.set_verbose(true);
    log.set_sinks({std::make_shared<SyslogSink>("postfix/proxymap", LOG_MAIL, directory.file("log"))});
    const struct {
        Severity severity;
        int level;
    } cases[] = {{Severity::debug, LOG_INFO},
                 {Severity::info, LOG_INFO},
                 {Severity::warning, LOG_WARNING},
                 {Severity::error, LOG_ERR},
                 {Severity::fatal, LOG_CRIT}};
    for (const auto& c : cases) {
        log.write(c.severity, {}, "x");
        EXPECT_THAT(syslogd.next(), testing::StartsWith("<" + std::to_string(LOG_MAIL | c.level) + ">"));
    }
}

TEST(DatagramSenderTest, NeverWaitsForAReceiverThatDoesNotRead) {
    const TemporaryDirectory directory;
    Receiver stuck(directory.file("log"));
    DatagramSender sender(directory.file("log"));
    int sent = 0;
    while (sent < 100000 && sender.send("line")) {
        ++sent;
    }
    ASSERT_LT(sent, 100000);
    EXPECT_EQ(stuck.next(), "line");
    EXPECT_TRUE(sender.send("there is room again"));
}

TEST(DatagramSenderTest, FindsAReplacedReceiverAtMostOnceASecond) {
    const TemporaryDirectory directory;
    const auto path = directory.file("log");
    TimePoint now(seconds(1000));
    auto first = std::make_unique<Receiver>(path);
    DatagramSender sender(path, [&now] { return now; });
    EXPECT_TRUE(sender.send("1"));
    first.reset();
    now += seconds(5);
    EXPECT_FALSE(sender.send("2")) << "nobody there";
    Receiver second(path);
    now += std::chrono::milliseconds(999);
    EXPECT_FALSE(sender.send("3")) << "tried less than a second ago";
    now += std::chrono::milliseconds(1);
    EXPECT_TRUE(sender.send("4"));
    EXPECT_EQ(second.next(), "4");
}

TEST(DatagramSenderTest, AReceiverReplacedMeanwhileCostsNoLine) {
    const TemporaryDirectory directory;
    const auto path = directory.file("log");
    TimePoint now(seconds(1000));
    auto first = std::make_unique<Receiver>(path);
    DatagramSender sender(path, [&now] { return now; });
    first.reset();
    Receiver second(path);
    now += seconds(2);
    EXPECT_TRUE(sender.send("kept"));
    EXPECT_EQ(second.next(), "kept");
}

TEST(DatagramSenderTest, MissingOrImpossiblePathsAreErrorsNotCrashes) {
    const TemporaryDirectory directory;
    DatagramSender missing(directory.file("none"));
    EXPECT_EQ(missing.connect_error(), ENOENT);
    EXPECT_FALSE(missing.send("x"));
    DatagramSender too_long("/" + std::string(200, 'x'));
    EXPECT_EQ(too_long.connect_error(), ENAMETOOLONG);
    Receiver stream(directory.file("stream"), SOCK_STREAM);
    DatagramSender wrong_type(directory.file("stream"));
    EXPECT_EQ(wrong_type.connect_error(), EPROTOTYPE);
}

TEST(PathInChroot, IsShortenedOnlyBelowTheRoot) {
    EXPECT_EQ(path_in_chroot("/var/spool/postfix/public/postlog", "/var/spool/postfix"), "/public/postlog");
    EXPECT_EQ(path_in_chroot("/var/spool/postfix/public/postlog", "/var/spool/postfix/"), "/public/postlog");
    EXPECT_EQ(path_in_chroot("/dev/log", "/var/spool/postfix"), "/dev/log");
    EXPECT_EQ(path_in_chroot("/var/spool/postfix2/x", "/var/spool/postfix"), "/var/spool/postfix2/x");
}

TEST(StreamSinkTest, LinesForATerminalAndAFullPipeThatDoesNotBlock) {
    std::array<int, 2> pipe_fds{};
    ASSERT_EQ(::pipe(pipe_fds.data()), 0);
    DaemonLog log;
    log.set_sinks({std::make_shared<StreamSink>("proxyd", false, pipe_fds[1])});
    log.warning("text");
    std::array<char, 64> buffer{};
    const auto size = ::read(pipe_fds[0], buffer.data(), buffer.size());
    EXPECT_EQ(std::string(buffer.data(), static_cast<std::size_t>(size)), "proxyd: warning: text\n");

    log.set_sinks({std::make_shared<StreamSink>("proxyd", true, pipe_fds[1])});
    log.info("text");
    const auto timed = ::read(pipe_fds[0], buffer.data(), buffer.size());
    EXPECT_THAT(std::string(buffer.data(), static_cast<std::size_t>(timed)),
                MatchesRegex("[A-Z][a-z]+ [0-9]+ [0-9]+:[0-9]+:[0-9]+ proxyd: text\n"));

    for (int i = 0; i < 1000; ++i) {
        log.info(std::string(1000, 'x'));
    }
    EXPECT_GT(log.lost(), 0U);
    ::close(pipe_fds[0]);
    ::close(pipe_fds[1]);
}

}  // namespace
}  // namespace proxyd::logging
