// One serving process as its front process sees it: from the first start over all replacements.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

#include "backends/event/clock.h"
#include "proxyd/master/heartbeat.h"
#include "proxyd/master/line_link.h"
#include "proxyd/master/restart_delay.h"

namespace proxyd::master {

// "the serving process 123"; of several: "the serving process 123 (worker 2)".
[[nodiscard]] std::string name_of(pid_t process, int index, int count);

class SupervisedProcess {
  public:
    enum class State {
        absent,  // not started yet, or dead until it is started again
        begins,  // forked; it does not accept clients yet
        serves,
        killed,  // SIGKILL has been sent; it has not ended yet
    };

    // What look() found.
    enum class Finding {
        well,
        stands_still,  // no heartbeat for the limit
        unkillable,    // it has been killed long ago and has not ended; said once in a while
    };

    // `heartbeat` outlives this; null: the process is not watched.
    SupervisedProcess(int index, int count, Heartbeat* heartbeat, Duration standstill_limit)
        : index_(index), count_(count), heartbeat_(heartbeat), limit_(standstill_limit) {}

    // The process has been forked; `link` leads to it.
    void started(pid_t process, std::unique_ptr<LineLink> link, TimePoint now);

    // Waits for the end, which must be near, and forgets the process. The status of wait(2); no value if it
    // is no child of this process. `delay`: the pause before its replacement, by the back-off.
    [[nodiscard]] std::optional<int> ended(TimePoint now, std::chrono::milliseconds& delay);

    [[nodiscard]] Finding look(TimePoint now);

    // "has stood still for 30 s, stopped by a signal, looking at the file ..."
    [[nodiscard]] std::string standstill() const;
    // "" or ": waiting for a disk or a file system"
    [[nodiscard]] std::string state_in_kernel() const;

    void kill_now(TimePoint now);
    void send_signal(int number) const;

    // It has said that it accepts clients, under its present configuration.
    void became_ready();
    // It reads its configuration again.
    void rereads() { is_reloading_ = is_alive(); }

    [[nodiscard]] bool is_alive() const { return process_ > 0; }
    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] bool has_served() const { return has_served_; }      // this process or one before it
    [[nodiscard]] bool is_reloading() const { return is_reloading_; }  // became_ready() ends it
    [[nodiscard]] int index() const { return index_; }
    [[nodiscard]] pid_t process() const { return process_; }
    [[nodiscard]] unsigned starts() const { return starts_; }
    [[nodiscard]] std::string name() const { return name_of(process_, index_, count_); }
    [[nodiscard]] LineLink& link() { return *link_; }  // while it is alive

  private:
    int index_;
    int count_;
    Heartbeat* heartbeat_;
    Duration limit_;
    State state_ = State::absent;
    pid_t process_ = 0;
    std::unique_ptr<LineLink> link_;
    StandstillClock still_{Duration::zero(), TimePoint{}};
    TimePoint started_{};
    TimePoint killed_at_{};
    RestartDelay delay_;
    unsigned starts_ = 0;
    bool has_served_ = false;
    bool is_reloading_ = false;
};

}  // namespace proxyd::master
