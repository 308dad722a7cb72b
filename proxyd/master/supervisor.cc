#include "proxyd/master/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/report/log.h"
#include "proxyd/master/signal_queue.h"

namespace proxyd::master {
namespace {

// A connection that waits is accepted within a few turns of a worker's loop.
constexpr std::chrono::milliseconds report_pause{20};

// After a failure of the system to give another process.
constexpr std::chrono::milliseconds fork_pause{1000};

constexpr std::string_view ready_notice = "ready";
constexpr std::string_view used_notice = "used";

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

std::string end_text(int status) {
    return WIFSIGNALED(status)
               ? fmt::format("was ended by signal {} ({})", WTERMSIG(status), sigdescr_np(WTERMSIG(status)))
               : fmt::format("has ended with exit status {}", WEXITSTATUS(status));
}

bool connection_waits(const std::vector<int>& listen_fds) {
    return std::any_of(listen_fds.begin(), listen_fds.end(), [](int fd) {
        pollfd waiting{fd, POLLIN, 0};
        return poll(&waiting, 1, 0) > 0;
    });
}

std::string seconds_text(std::chrono::milliseconds time) {
    return fmt::format("{:.3g} s", std::chrono::duration<double>(time).count());
}

}  // namespace

Supervisor::Supervisor(SupervisorSettings settings, const std::vector<Heartbeat*>& heartbeats)
    : settings_(std::move(settings)),
      signals_(std::make_unique<SignalQueue>(settings_.status_fd >= 0)),
      heartbeats_(heartbeats) {
    heartbeats_.resize(static_cast<std::size_t>(settings_.workers), nullptr);
    for (int index = 0; index < settings_.workers; ++index) {
        due_.insert(index);
        workers_.emplace_back(index, settings_.workers, heartbeats_[static_cast<std::size_t>(index)],
                              settings_.standstill_limit);
        start_timers_.push_back(loop_.make_timer([this, index] {
            due_.insert(index);
            do_next(Next::start);
        }));
    }
    if (settings_.status_fd >= 0) {
        status_.emplace(settings_.status_fd, getpid(), settings_.generation);
        // End of file: master(8) has ended, or a new generation takes over after a reload.
        status_watch_ = loop_.watch(settings_.status_fd, [this](Ready) { do_next(Next::leave); });
        status_watch_->want(true, false);
    }
    signal_watch_ = loop_.watch(signals_->fd(), [this](Ready) { take_signals(); });
    signal_watch_->want(true, false);
    look_timer_ = loop_.make_timer([this] { look(); });
    report_timer_ = loop_.make_timer([this] { report_use(); });
    if (settings_.standstill_limit > Duration::zero())
        look_timer_->start(StandstillClock::interval(settings_.standstill_limit));
}

Supervisor::~Supervisor() = default;

ServingProcess Supervisor::run(Events events) {
    events_ = std::move(events);
    ServingProcess serving;
    for (;; loop_.run()) {
        switch (next_) {
            case Next::start:
                if (start_due(serving)) return serving;
                break;
            case Next::leave: leave_to_next(); break;
            case Next::end: end();
        }
        next_ = Next::start;
        if (!is_wanted_ && !any_alive()) end();
    }
}

void Supervisor::do_next(Next next) {
    next_ = std::max(next_, next);
    loop_.stop();
}

// True: this is the serving process.
bool Supervisor::start_due(ServingProcess& serving) {
    for (auto& worker : workers_) {
        if (due_.erase(worker.index()) == 0 || !is_wanted_) continue;
        if (start(worker, serving)) return true;
    }
    return false;
}

bool Supervisor::start(SupervisedProcess& worker, ServingProcess& serving) {
    const bool replaces = worker.starts() > 0;
    std::array<int, 2> ends{-1, -1};
    std::array<char, 16> name{};
    prctl(PR_GET_NAME, name.data());
    if (auto* heartbeat = heartbeats_[static_cast<std::size_t>(worker.index())]) heartbeat->board().clear();
    const bool linked = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0;
    const pid_t child = linked ? fork() : -1;
    if (child < 0) {
        const int error = errno;
        for (const int fd : ends) {
            if (fd >= 0) close(fd);
        }
        if (!replaces) throw std::system_error(error, std::generic_category(), "fork");
        log().error(fmt::format("no serving process can be started: {} -- trying again in {}",
                                std::strerror(error), seconds_text(fork_pause)));
        start_later(worker.index(), fork_pause);
        return false;
    }
    if (child == 0) {
        if (name_before_) prctl(PR_SET_NAME, name_before_->data());
        close(ends[0]);
        loop_.separate_from_parent();
        // The original stays open, so that the front process sees the end of the process and not one that
        // the process is only preparing.
        serving = {fcntl(ends[1], F_DUPFD_CLOEXEC, 0), worker.index(), replaces};
        if (serving.front_fd < 0) throw std::system_error(errno, std::generic_category(), "fcntl(F_DUPFD)");
        return true;
    }
    if (!name_before_) name_before_ = name;
    prctl(PR_SET_NAME, "proxyd-front");
    close(ends[1]);
    const int index = worker.index();
    worker.started(child,
                   std::make_unique<LineLink>(
                       loop_, ends[0],
                       LineLink::Events{[this, index](const std::string& line) { has_told(index, line); },
                                        [this, index] { has_ended(index); }}),
                   Clock::now());
    if (replaces) log().info("another serving process is started");
    return false;
}

void Supervisor::start_later(int index, std::chrono::milliseconds delay) {
    start_timers_[static_cast<std::size_t>(index)]->start(delay);
}

// Ends this process, because master(8) waits for that. A child of it goes on watching.
void Supervisor::leave_to_next() {
    if (!status_watch_) return;
    if (is_wanted_ && events_.leaves) events_.leaves();
    if (events_.ends) events_.ends();
    for (auto& worker : workers_) {
        if (worker.is_alive()) worker.link().finish();
    }
    if (settings_.standstill_limit <= Duration::zero() || fork() != 0) _exit(0);
    loop_.separate_from_parent();
    is_wanted_ = false;
    status_watch_.reset();
    status_.reset();
    report_timer_->stop();
    for (const auto& timer : start_timers_) timer->stop();
    for (const int fd : settings_.listen_fds) close(fd);
    if (events_.continues) events_.continues();
    events_ = {};
}

void Supervisor::take_signals() {
    for (int number = signals_->next(); number != 0; number = signals_->next()) {
        for (auto& worker : workers_) {
            worker.send_signal(number);
            if (number == SIGHUP) worker.rereads();
        }
        if (number != SIGHUP) {
            stop();
            continue;
        }
        told_ready_ = false;
        if (events_.reloads) events_.reloads();
    }
}

void Supervisor::stop() {
    if (std::exchange(is_wanted_, false) && events_.leaves) events_.leaves();
    for (const auto& timer : start_timers_) timer->stop();
    if (!stop_by_) stop_by_ = loop_.now() + settings_.stop_limit;
    look_timer_->start(StandstillClock::interval(settings_.stop_limit));
    if (!any_alive()) do_next(Next::end);
}

void Supervisor::has_told(int index, const std::string& line) {
    auto& worker = workers_[static_cast<std::size_t>(index)];
    if (line == used_notice) {
        report_use();
    } else if (line.starts_with(ready_notice)) {
        worker.became_ready();
        ready_text_ = line.substr(std::min(line.size(), ready_notice.size() + 1));
        tell_if_all_serve();
    } else if (events_.told) {
        events_.told(index, line);
    }
}

void Supervisor::tell_if_all_serve() {
    if (!is_wanted_ || told_ready_) return;
    const bool all = std::all_of(workers_.begin(), workers_.end(), [](const SupervisedProcess& worker) {
        return worker.has_served() && !worker.is_reloading();
    });
    if (!all) return;
    told_ready_ = true;
    if (events_.serves) events_.serves(ready_text_);
}

// Says once that this process was of use. One writer for all workers: one that died between the two records
// would leave this process taken for ever.
void Supervisor::report_use() {
    if (!status_ || status_->use_reported()) return;
    if (connection_waits(settings_.listen_fds) || status_->report_use() == StatusOutcome::not_now)
        report_timer_->start(report_pause);
}

void Supervisor::has_ended(int index) {
    auto& worker = workers_[static_cast<std::size_t>(index)];
    const auto process = worker.process();
    const auto before = worker.state();
    std::chrono::milliseconds delay{};
    const auto status = worker.ended(Clock::now(), delay);
    if (events_.died) events_.died(index);
    // A stop of the whole process group may have reached the worker first.
    take_signals();
    if (is_wanted_) {
        judge_end(worker, process, before, status.value_or(0), delay);
    } else if (before != SupervisedProcess::State::killed && status && WIFEXITED(*status) &&
               WEXITSTATUS(*status) != 0) {
        end_status_ = *status;
    }
    if (!is_wanted_ && !any_alive()) do_next(Next::end);
}

// One that was killed here is replaced in any case. The only one takes the whole daemon with it: whoever has
// started that knows what to do. So does one that has never served, because its successors would not either.
void Supervisor::judge_end(const SupervisedProcess& worker, pid_t process, SupervisedProcess::State before,
                           int status, std::chrono::milliseconds delay) {
    const bool alone = settings_.workers == 1;
    if (before == SupervisedProcess::State::killed) {
        if (alone) delay = std::chrono::milliseconds(0);
        start_later(worker.index(), delay);
        return;
    }
    const auto name = name_of(process, worker.index(), settings_.workers);
    if (!alone && worker.has_served()) {
        log().error(fmt::format("{} {} -- another one takes its place in {}", name, end_text(status),
                                seconds_text(delay)));
        start_later(worker.index(), delay);
        tell_if_all_serve();
        return;
    }
    end_status_ = status;
    // Master(8) itself logs the end of its processes.
    if (settings_.status_fd < 0 && WIFSIGNALED(status))
        log().error(fmt::format("{} {} -- the daemon ends, too", name, end_text(status)));
    for (const auto& other : workers_) other.send_signal(SIGTERM);
    stop();
}

void Supervisor::look() {
    const auto now = Clock::now();
    for (auto& worker : workers_) look_at(worker, now);
    if (stop_by_ && now >= *stop_by_ + settings_.stop_limit) return do_next(Next::end);
    const auto limit = settings_.standstill_limit;
    const auto slow = limit > Duration::zero() ? StandstillClock::interval(limit) : Duration::max();
    const auto fast = StandstillClock::interval(settings_.stop_limit);
    if (stop_by_ || limit > Duration::zero()) look_timer_->start(stop_by_ ? std::min(slow, fast) : slow);
}

void Supervisor::look_at(SupervisedProcess& worker, TimePoint now) {
    if (!worker.is_alive()) return;
    if (worker.state() != SupervisedProcess::State::killed && stop_by_ && now >= *stop_by_)
        return kill_worker(worker, "has not stopped in time", now);
    switch (worker.look(now)) {
        case SupervisedProcess::Finding::well: break;
        case SupervisedProcess::Finding::stands_still: kill_worker(worker, worker.standstill(), now); break;
        case SupervisedProcess::Finding::unkillable:
            // A replacement started before the end would double the connections to the databases.
            log().error(fmt::format(
                "{} cannot be killed, as the system does not let go of it{} -- its connections to databases "
                "may be open, and no other one is started",
                worker.name(), worker.state_in_kernel()));
    }
}

void Supervisor::kill_worker(SupervisedProcess& worker, const std::string& what, TimePoint now) {
    log().error(fmt::format("{} {} -- it is killed{}", worker.name(), what,
                            is_wanted_ ? ", and another one takes its place" : ""));
    worker.kill_now(now);
}

bool Supervisor::any_alive() const {
    return std::any_of(workers_.begin(), workers_.end(),
                       [](const SupervisedProcess& worker) { return worker.is_alive(); });
}

void Supervisor::end() {
    if (events_.ends) events_.ends();
    end_like(end_status_);
}

}  // namespace proxyd::master
