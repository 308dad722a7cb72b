#include "proxyd/master/front_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/report/log.h"
#include "proxyd/master/process_state.h"

namespace proxyd::master {
namespace {

// The interval of messages about a process that does not end after SIGKILL.
constexpr std::chrono::seconds unkillable_interval{60};

[[noreturn]] void end_like(int status) {
    if (WIFSIGNALED(status)) {
        // Ends by the same signal, so that master's log shows it.
        const int number = WTERMSIG(status);
        std::signal(number, SIG_DFL);
        sigset_t just_this;
        sigemptyset(&just_this);
        sigaddset(&just_this, number);
        sigprocmask(SIG_UNBLOCK, &just_this, nullptr);
        kill(getpid(), number);
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

std::array<int, 2> make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    return ends;
}

// The signals that the front process handles, from construction on. A serving process gives them back.
class Signals {
  public:
    explicit Signals(bool under_master) {
        sigset_t taken;
        sigemptyset(&taken);
        sigaddset(&taken, SIGTERM);
        if (!under_master) {
            sigaddset(&taken, SIGINT);
            sigaddset(&taken, SIGHUP);
        }
        sigprocmask(SIG_BLOCK, &taken, &before_);
        fd_ = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    [[nodiscard]] int fd() const { return fd_; }

    // 0: none is pending.
    [[nodiscard]] int next() const {
        signalfd_siginfo info{};
        return read(fd_, &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
    }

    void give_back() {
        close(fd_);
        sigprocmask(SIG_SETMASK, &before_, nullptr);
    }

  private:
    sigset_t before_{};
    int fd_ = -1;
};

// The front process's watch over one serving process, from its fork to its end.
class Front {
  public:
    Front(const FrontSettings& settings, Heartbeat* heartbeat, const Signals& signals, pid_t child,
          int child_fd, int own_life_fd)
        : settings_(settings),
          heartbeat_(heartbeat),
          signals_(signals),
          child_(child),
          child_fd_(child_fd),
          own_life_fd_(own_life_fd),
          status_fd_(settings.status_fd),
          still_(settings.standstill_limit, Clock::now()) {}

    // Returns when the serving process has been killed and another one is needed.
    void watch() {
        for (;;) {
            std::array<pollfd, 3> watched{pollfd{child_fd_, POLLIN, 0}, pollfd{status_fd_, POLLIN, 0},
                                          pollfd{signals_.fd(), POLLIN, 0}};
            if (poll(watched.data(), watched.size(), wait()) < 0 && errno != EINTR) _exit(1);
            if (watched[1].revents != 0) leave_to_next();
            if (watched[2].revents != 0) take_signals();
            // The end of the child is noticed here before look_at_it() could kill it.
            if (watched[0].revents != 0) {
                if (!killed_at_ || !is_wanted_) end();
                (void)reap();
                close(child_fd_);
                close(own_life_fd_);
                return;
            }
            if (settings_.standstill_limit > Duration::zero()) look_at_it(Clock::now());
        }
    }

  private:
    [[nodiscard]] int wait() const {
        if (settings_.standstill_limit <= Duration::zero()) return -1;
        auto interval = StandstillClock::interval(settings_.standstill_limit);
        if (stop_by_) interval = std::min(interval, settings_.stop_limit);
        return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(interval).count());
    }

    // The status, if it is this process's child.
    std::optional<int> reap() const {
        int status = 0;
        while (waitpid(child_, &status, 0) < 0) {
            if (errno != EINTR) return std::nullopt;
        }
        return status;
    }

    [[noreturn]] void end() {
        const auto status = reap();
        if (killed_at_ || !status || (stop_by_ && !WIFEXITED(*status))) _exit(0);
        // Master(8) itself logs the end of its processes.
        if (settings_.status_fd < 0 && WIFSIGNALED(*status)) {
            log().error(
                fmt::format("the serving process {} was ended by signal {} ({}) -- the daemon ends, too",
                            child_, WTERMSIG(*status), sigdescr_np(WTERMSIG(*status))));
        }
        end_like(*status);
    }

    // Ends this process, because master(8) waits for that. A child of it goes on watching.
    void leave_to_next() {
        if (settings_.standstill_limit <= Duration::zero() || fork() != 0) _exit(0);
        is_wanted_ = false;
        status_fd_ = -1;
        for (const int fd : settings_.listen_fds) close(fd);
        close(own_life_fd_);  // the serving process sees the end
        if (settings_.leave_to_next) settings_.leave_to_next();
    }

    void take_signals() {
        for (int number = signals_.next(); number != 0; number = signals_.next()) {
            kill(child_, number);
            if (number == SIGHUP) continue;
            is_wanted_ = false;
            if (!stop_by_) stop_by_ = Clock::now() + settings_.stop_limit;
        }
    }

    void look_at_it(TimePoint now) {
        if (killed_at_) return tell_unkillable(now);
        if (stop_by_ && now >= *stop_by_) return end_it("has not stopped in time", now);
        if (!still_.stands_still(heartbeat_->beats(), now)) return;
        const auto state = process_state(child_);
        if (state.traced) return;
        const auto seconds = std::chrono::round<std::chrono::seconds>(still_.quiet()).count();
        auto what = fmt::format("has stood still for {} s", seconds);
        if (!state.words.empty()) what += ", " + state.words;
        if (const auto activity = heartbeat_->board().text(); !activity.empty()) what += ", " + activity;
        end_it(what, now);
    }

    void end_it(const std::string& what, TimePoint now) {
        log().error(fmt::format("the serving process {} {} -- it is killed{}", child_, what,
                                is_wanted_ ? ", and another one takes its place" : ""));
        kill(child_, SIGKILL);
        killed_at_ = now;
    }

    // A replacement started before the end would double the connections to the databases.
    void tell_unkillable(TimePoint now) {
        if (stop_by_ && now >= *killed_at_ + settings_.stop_limit) _exit(0);
        if (now < *killed_at_ + unkillable_interval) return;
        killed_at_ = now;
        const auto state = process_state(child_);
        log().error(
            fmt::format("the serving process {} cannot be killed, as the system does not let go of it{} "
                        "-- its connections to databases may be open, and no other one is started",
                        child_, state.words.empty() ? "" : ": " + state.words));
    }

    const FrontSettings& settings_;
    Heartbeat* heartbeat_;
    const Signals& signals_;
    pid_t child_;
    int child_fd_;     // end of file: the child has ended
    int own_life_fd_;  // the child's end of it shows end of file when this process has ended
    int status_fd_;
    StandstillClock still_;
    bool is_wanted_ = true;  // it serves new clients, and would be replaced
    std::optional<TimePoint> stop_by_;
    std::optional<TimePoint> killed_at_;
};

}  // namespace

ServingProcess fork_serving_process(const FrontSettings& settings, Heartbeat* heartbeat) {
    Signals signals(settings.status_fd >= 0);
    const pid_t front_pid = getpid();
    std::array<char, 16> name{};
    prctl(PR_GET_NAME, name.data());
    for (bool replaces = false;; replaces = true) {
        const auto to_child = make_pipe();   // never written: end of file means the other side has ended
        const auto to_parent = make_pipe();  // the same, the other way round
        if (heartbeat != nullptr) heartbeat->board().clear();
        const pid_t child = fork();
        if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
        if (child == 0) {
            prctl(PR_SET_NAME, name.data());
            signals.give_back();
            close(to_child[1]);
            close(to_parent[0]);
            return {front_pid, to_child[0], replaces};
        }
        prctl(PR_SET_NAME, "proxyd-front");
        close(to_child[0]);
        close(to_parent[1]);
        Front(settings, heartbeat, signals, child, to_parent[0], to_child[1]).watch();
        log().info("another serving process is started");
    }
}

}  // namespace proxyd::master
