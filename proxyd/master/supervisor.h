// The front process: it starts, watches and replaces the serving processes, and handles no lookup.
//
// Master(8) starts the next process of a service only when it sees the old one end (or be taken). At a
// reload, lookups under way must be answered, and new clients must not wait for that. So master knows only a
// small process that ends at once, while its children, the serving processes ("workers"), close their listen
// sockets and finish their work.
//
// A worker tells the front process by lines over its link: "ready TEXT" when it accepts clients, and again
// when it has read its configuration anew on SIGHUP; "used" when it has answered its first request. Other
// lines, and those in the other direction, are not for the supervisor.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include "backends/event/clock.h"
#include "backends/event/event_loop.h"
#include "proxyd/master/heartbeat.h"
#include "proxyd/master/status_channel.h"
#include "proxyd/master/supervised_process.h"

namespace proxyd::master {

// What a serving process knows about its place.
struct ServingProcess {
    // A connected socket to the front process; -1: there is none. End of file: the front process has ended,
    // for whatever reason, or no longer wants this process to serve. Owned by the serving process.
    int front_fd = -1;
    int index = 0;          // of the worker, from 0
    bool replaces = false;  // another one was at this place before
};

struct SupervisorSettings {
    int workers = 1;
    int status_fd = -1;             // of master; -1: on its own
    std::uint32_t generation = 0;   // of master
    std::vector<int> listen_fds{};  // stay open, so that clients can wait while a process is replaced
    Duration standstill_limit{};    // zero: the serving processes are not watched
    Duration stop_limit{};          // how long they may take to end after SIGTERM
};

class SignalQueue;

class Supervisor {
  public:
    // All may be empty. Called from the loop, or between two passes of it.
    struct Events {
        std::function<void()> reloads;                        // a SIGHUP is passed on
        std::function<void(const std::string& text)> serves;  // all are ready; `text` is that of the last one
        std::function<void()> leaves;         // a stop or a reload begins: nobody new is wanted
        std::function<void()> ends;           // this process ends
        std::function<void(int index)> died;  // a worker has ended
        std::function<void(int index, const std::string& line)> told;  // a line that is no notice
        // Called in the process that goes on watching after the one known to master has ended.
        std::function<void()> continues;
    };

    // One heartbeat for each worker; none where there is no standstill limit. They outlive the supervisor.
    // To be constructed before there are threads. Takes SIGTERM and, on its own, SIGINT and SIGHUP. Throws
    // std::system_error.
    Supervisor(SupervisorSettings settings, const std::vector<Heartbeat*>& heartbeats);
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    // Forks. Returns in each serving process, whose signals are then as they were before the construction;
    // the loop is then its own, and all that belongs to the supervisor is to be destroyed there. The parent
    // stays inside. It
    // - kills a worker whose heartbeat stands still for the limit, and starts another one in its place;
    // - starts one of several again that has ended, after a pause that grows;
    // - ends with the status of the only one, or of one that ends before it was ever ready, and ends the
    //   others before;
    // - ends with exit status 0 when `status_fd` becomes readable; if there is a limit, a child of it goes on
    //   watching the workers until they have ended;
    // - passes on the signals that it takes.
    // Throws std::system_error when a worker cannot be forked at the start.
    [[nodiscard]] ServingProcess run(Events events);

    [[nodiscard]] EventLoop& loop() { return loop_; }
    [[nodiscard]] std::vector<SupervisedProcess>& workers() { return workers_; }

  private:
    // What is to be done outside the loop.
    enum class Next {
        start,  // fork the workers that are due
        leave,  // end, and leave the watch to a child
        end,    // end this process
    };

    [[nodiscard]] bool start(SupervisedProcess& worker, ServingProcess& serving);
    [[nodiscard]] bool start_due(ServingProcess& serving);
    void start_later(int index, std::chrono::milliseconds delay);
    void leave_to_next();
    void take_signals();
    void stop();
    void has_told(int index, const std::string& line);
    void has_ended(int index);
    void judge_end(const SupervisedProcess& worker, pid_t process, SupervisedProcess::State before,
                   int status, std::chrono::milliseconds delay);
    void tell_if_all_serve();
    void report_use();
    void look();
    void look_at(SupervisedProcess& worker, TimePoint now);
    void kill_worker(SupervisedProcess& worker, const std::string& what, TimePoint now);
    void do_next(Next next);
    [[nodiscard]] bool any_alive() const;
    [[noreturn]] void end();

    SupervisorSettings settings_;
    Events events_;
    EventLoop loop_;
    std::unique_ptr<SignalQueue> signals_;
    std::vector<Heartbeat*> heartbeats_;
    std::vector<SupervisedProcess> workers_;
    std::vector<std::unique_ptr<Timer>> start_timers_;
    std::set<int> due_;  // workers to be started
    std::unique_ptr<FdWatch> signal_watch_;
    std::unique_ptr<FdWatch> status_watch_;
    std::unique_ptr<Timer> look_timer_;
    std::unique_ptr<Timer> report_timer_;
    std::optional<StatusChannel> status_;
    std::optional<std::array<char, 16>> name_before_;  // of this process, before it was the front process
    Next next_ = Next::start;
    bool is_wanted_ = true;    // the workers serve new clients, and are replaced
    bool told_ready_ = false;  // all serve, and no reload is under way
    std::string ready_text_;   // of the last worker that became ready
    std::optional<TimePoint> stop_by_;
    int end_status_ = 0;  // of wait(2)
};

}  // namespace proxyd::master
