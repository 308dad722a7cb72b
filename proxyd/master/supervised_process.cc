#include "proxyd/master/supervised_process.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <sys/wait.h>

#include "proxyd/master/process_state.h"

namespace proxyd::master {
namespace {

// The interval of messages about a process that does not end after SIGKILL.
constexpr std::chrono::seconds unkillable_interval{60};

bool has_ended(pid_t process) {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(process), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

}  // namespace

std::string name_of(pid_t process, int index, int count) {
    return count > 1 ? fmt::format("the serving process {} (worker {})", process, index + 1)
                     : fmt::format("the serving process {}", process);
}

void SupervisedProcess::started(pid_t process, std::unique_ptr<LineLink> link, TimePoint now) {
    process_ = process;
    link_ = std::move(link);
    state_ = State::begins;
    still_ = StandstillClock(limit_, now);
    started_ = now;
    is_reloading_ = false;
    ++starts_;
}

std::optional<int> SupervisedProcess::ended(TimePoint now, std::chrono::milliseconds& delay) {
    int status = 0;
    bool is_child = true;
    while (is_child && waitpid(process_, &status, 0) < 0) is_child = errno == EINTR;
    delay = delay_.after_life_of(now - started_);
    process_ = 0;
    link_.reset();
    state_ = State::absent;
    is_reloading_ = false;
    return is_child ? std::optional(status) : std::nullopt;
}

SupervisedProcess::Finding SupervisedProcess::look(TimePoint now) {
    if (!is_alive()) return Finding::well;
    if (state_ == State::killed) {
        if (now < killed_at_ + unkillable_interval) return Finding::well;
        killed_at_ = now;
        return Finding::unkillable;
    }
    if (heartbeat_ == nullptr || !still_.stands_still(heartbeat_->beats(), now)) return Finding::well;
    if (has_ended(process_) || process_state(process_).traced) return Finding::well;
    return Finding::stands_still;
}

std::string SupervisedProcess::standstill() const {
    const auto seconds = std::chrono::round<std::chrono::seconds>(still_.quiet()).count();
    auto what = fmt::format("has stood still for {} s", seconds);
    if (const auto state = process_state(process_); !state.words.empty()) what += ", " + state.words;
    if (const auto activity = heartbeat_->board().text(); !activity.empty()) what += ", " + activity;
    return what;
}

std::string SupervisedProcess::state_in_kernel() const {
    const auto state = process_state(process_);
    return state.words.empty() ? "" : ": " + state.words;
}

void SupervisedProcess::kill_now(TimePoint now) {
    send_signal(SIGKILL);
    state_ = State::killed;
    killed_at_ = now;
}

void SupervisedProcess::send_signal(int number) const {
    if (is_alive()) (void)kill(process_, number);
}

void SupervisedProcess::became_ready() {
    if (state_ == State::begins) state_ = State::serves;
    has_served_ = true;
    is_reloading_ = false;
}

}  // namespace proxyd::master
