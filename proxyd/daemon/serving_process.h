// The outer side of a process that serves clients: signals, the control channel, the log, a reload and the
// end. Its worker answers the clients.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxyd/channel/commands.h"
#include "proxyd/channel/server.h"
#include "proxyd/config/site.h"
#include "proxyd/daemon/load_meter.h"
#include "proxyd/daemon/status_report.h"
#include "proxyd/daemon/worker.h"
#include "proxyd/master/arguments.h"
#include "proxyd/master/environment.h"
#include "proxyd/master/heartbeat.h"
#include "proxyd/master/held_signals.h"
#include "proxyd/master/line_link.h"
#include "proxyd/master/service_manager.h"
#include "proxyd/master/supervisor.h"
#include "proxyd/server/client_counts.h"

namespace proxyd {

// The place of a serving process in the daemon.
struct ServingPlace {
    master::ServingProcess process;          // front_fd -1: there is no front process
    master::Heartbeat* heartbeat = nullptr;  // null: nobody watches
    server::ClientCounts* counts = nullptr;  // null: there are no other workers
    std::function<void()> front_gone;        // called when the front process has ended; may be empty
};

class ServingProcess {
  public:
    // Throws std::runtime_error when a client library cannot be used.
    ServingProcess(const master::DaemonArguments& arguments, const master::Environment& environment,
                   Site site, ServingPlace place);

    // Each runs until the end of the process, and returns its exit status. `service_socket` is the path at
    // which clients connect; empty: unknown. Signals that `held` has are handled from when it serves.
    [[nodiscard]] int run_under_master(const std::vector<int>& listen_fds, const std::string& service_socket);
    [[nodiscard]] int run_alone(const std::vector<int>& listen_fds, const std::string& service_socket,
                                const master::HeldSignals& held);
    [[nodiscard]] int run_once();

  private:
    void show_life(master::Heartbeat& heartbeat);
    void serve(const std::vector<int>& listen_fds, const std::string& service_socket, Duration front_limit);
    void join_front(Duration limit);
    void open_control(const std::string& service_socket);
    void add_commands(channel::Commands& commands);
    void answer_front(const std::string& line);
    void tell_ready();
    [[nodiscard]] int run();
    void stop_on_signals();
    void stop();
    void leave(Duration limit);
    void reload();
    [[nodiscard]] std::string table_count() const;

    master::DaemonArguments arguments_;
    master::Environment environment_;
    ServingPlace place_;
    ProcessFacts process_;
    Site site_;
    Worker worker_;
    EventLoop& loop_;  // the worker's
    LoadMeter load_;
    std::unique_ptr<Timer> log_timer_;
    std::unique_ptr<Timer> life_timer_;
    channel::Commands commands_;  // of the front process
    std::optional<channel::Server> control_;
    std::unique_ptr<master::LineLink> front_;
    std::optional<master::ServiceManager> manager_;
    bool use_told_ = false;
    bool leaving_ = false;
};

}  // namespace proxyd
