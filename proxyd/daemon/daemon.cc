#include "proxyd/daemon/daemon.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/event/event_loop.h"
#include "backends/pool/large_memory.h"
#include "backends/report/activity.h"
#include "proxyd/channel/path.h"
#include "proxyd/channel/server.h"
#include "proxyd/config/site.h"
#include "proxyd/daemon/flush_request.h"
#include "proxyd/daemon/one_request.h"
#include "proxyd/daemon/open_log.h"
#include "proxyd/daemon/status_report.h"
#include "proxyd/daemon/worker.h"
#include "proxyd/hardening/capabilities.h"
#include "proxyd/hardening/system_calls.h"
#include "proxyd/logging/plural.h"
#include "proxyd/master/descriptors.h"
#include "proxyd/master/environment.h"
#include "proxyd/master/front_process.h"
#include "proxyd/master/heartbeat.h"
#include "proxyd/master/held_signals.h"
#include "proxyd/master/listen_socket.h"
#include "proxyd/master/privileges.h"
#include "proxyd/master/process_limits.h"
#include "proxyd/master/service_manager.h"
#include "proxyd/master/single_process.h"
#include "proxyd/master/socket_activation.h"
#include "proxyd/master/status_channel.h"

namespace proxyd {
namespace {

using master::DaemonArguments;
using master::Environment;
using master::RunMode;

// `postfix stop` kills the remaining processes after five seconds.
constexpr std::chrono::seconds stop_limit{3};

// The time limit of a whole stop, if the front process watches.
constexpr std::chrono::seconds stop_patience = stop_limit + std::chrono::seconds(1);

// A shorter limit would mistake a busy process for one that stands still.
constexpr std::chrono::milliseconds least_standstill{1000};

// At a reload the old process ends at once. A process that does not end is serving.
constexpr std::chrono::seconds end_of_last{1};

constexpr std::chrono::seconds log_interval{5};

// Changes from root to mail_owner, and to the queue directory.
void enter_service(const DaemonArguments& arguments, const Site& site, const std::string& queue_directory) {
    if (chdir(queue_directory.c_str()) != 0) {
        throw std::runtime_error(fmt::format("cannot change to queue_directory {}", queue_directory));
    }
    if (arguments.unprivileged) {
        const auto owner = master::find_account(site.main_cf->value("mail_owner"));
        master::drop_privileges(owner, arguments.chroot ? std::optional(queue_directory) : std::nullopt);
    } else if (arguments.chroot) {
        master::enter_chroot(queue_directory);
    }
    if (arguments.chroot) daemon_log().entered_chroot(queue_directory);
}

// Hardens the process for good, before there are threads. Runs before the fork, so that the front process
// under master(8) is hardened, too.
void harden(const DaemonArguments& arguments, const Options& options) {
    hardening::give_up_capabilities();
    if (!arguments.call_debugger) (void)master::forbid_memory_dumps();
    if (!options.seccomp) return;
    // Under master(8) a new process reads the configuration at a reload.
    const auto programs =
        arguments.mode == RunMode::listen ? hardening::Programs::started : hardening::Programs::never;
    const auto refusal = hardening::refuse_system_calls(programs);
    if (!refusal.empty()) log().warning(fmt::format("no filter for system calls: {}", refusal));
}

// The listen sockets of a stand-alone daemon.
struct AloneSockets {
    std::unique_ptr<master::ListenSocket> own;  // null: a service manager has handed them over
    std::vector<int> fds;
};

AloneSockets open_alone(const std::string& path) {
    AloneSockets sockets;
    sockets.fds = master::activated_sockets([](const char* name) { return std::getenv(name); }, getpid());
    if (!sockets.fds.empty()) return sockets;
    sockets.own = std::make_unique<master::ListenSocket>(path);
    const int copy = fcntl(sockets.own->fd(), F_DUPFD_CLOEXEC, 3);
    if (copy < 0) throw std::runtime_error("cannot duplicate the listen socket");
    sockets.fds = {copy};
    return sockets;
}

// Zero: there is no watchdog.
Duration standstill_limit(const Options& options) {
    const auto limit = options.watchdog_timeout;
    return limit.count() == 0 ? Duration::zero() : std::max(limit, least_standstill);
}

// No value: there is no front process. A service manager itself starts, watches and replaces this process.
std::optional<master::FrontSettings> front_settings(const DaemonArguments& arguments, const Options& options,
                                                    const std::vector<int>& listen_fds) {
    master::FrontSettings settings;
    settings.listen_fds = listen_fds;
    settings.standstill_limit = standstill_limit(options);
    settings.stop_limit = stop_patience;
    if (arguments.mode == RunMode::master) {
        settings.status_fd = master::status_fd;
        return settings;
    }
    const bool watched_already = std::getenv("NOTIFY_SOCKET") != nullptr;
    if (arguments.mode != RunMode::listen || watched_already || settings.standstill_limit == Duration::zero())
        return std::nullopt;
    return settings;
}

// The outer side of the process, for master(8), a service manager or a person: signals, the control socket,
// the log, a reload and the end. Its worker answers the clients.
class Daemon {
  public:
    // `heartbeat` may be null: there is no watchdog.
    Daemon(const DaemonArguments& arguments, const Environment& environment, Site site,
           master::Heartbeat* heartbeat)
        : arguments_(arguments),
          environment_(environment),
          process_{arguments.mode == RunMode::master ? "master" : "listen", environment.generation},
          site_(std::move(site)),
          worker_(site_, arguments_),
          loop_(worker_.loop()),
          log_timer_(loop_.make_timer([this] {
              daemon_log().write_due();
              log_timer_->start(log_interval);
          })) {
        log_timer_->start(log_interval);
        if (heartbeat != nullptr) show_life(*heartbeat);
    }

    int run_under_master(const std::vector<int>& listen_fds, const master::ServingProcess& serving) {
        open_control(master::socket_path(listen_fds.front()));
        for (const int fd : listen_fds) worker_.server().listen(fd);
        status_.emplace(master::status_fd, serving.front_pid, environment_.generation);
        // End of file: master(8) has ended, or a new generation takes over after a reload.
        leave_with_front(serving, site_.options.drain_timeout);
        worker_.server().on_ended([this](const server::AnsweredRequest&) {
            if (!status_ || status_->use_reported() || worker_.server().connection_waits()) return;
            if (status_->report_use() == master::StatusOutcome::master_gone)
                leave(site_.options.drain_timeout);
        });
        stop_on_signals();
        return run();
    }

    int run_alone(const AloneSockets& sockets, const master::ServingProcess& serving,
                  const master::HeldSignals& held) {
        for (const int fd : sockets.fds) worker_.server().listen(fd);
        open_control(sockets.own ? sockets.own->path() : master::socket_path(sockets.fds.front()));
        if (serving.front_pid != 0) leave_with_front(serving, stop_limit);
        manager_.emplace(loop_);
        loop_.on_signal(SIGHUP, [this] {
            manager_->reloading();
            reload();
            manager_->ready(status_line());
        });
        stop_on_signals();
        held.release();
        // The front process knows only the configuration of its own start.
        if (serving.replaces) reload();
        manager_->ready(status_line());
        return run();
    }

    int run_once() {
        return answer_one_request(loop_, worker_.service(), worker_.server().settings().limits);
    }

  private:
    void show_life(master::Heartbeat& heartbeat) {
        set_activity_board(&heartbeat.board());
        const auto interval = master::StandstillClock::interval(standstill_limit(site_.options));
        life_timer_ = loop_.make_timer([this, &heartbeat, interval] {
            heartbeat.beat();
            life_timer_->start(interval);
        });
        heartbeat.beat();
        life_timer_->start(interval);
    }

    void leave_with_front(const master::ServingProcess& serving, Duration limit) {
        front_watch_ = loop_.watch(serving.front_fd, [this, limit](Ready) { leave(limit); });
        front_watch_->want(true, false);
    }

    void open_control(const std::string& service_socket) {
        if (service_socket.empty()) return;
        try {
            control_.emplace(loop_, channel::path_beside(service_socket));
        } catch (const std::exception& error) {
            log().error(
                fmt::format("{} -- there is no control socket, and proxyctl status and flush get no answer",
                            error.what()));
            return;
        }
        control_->add("status", [this](const nlohmann::json&, const channel::Caller& caller) {
            return status_report(process_, site_, worker_, caller.process);
        });
        control_->add("flush", [this](const nlohmann::json& request, const channel::Caller&) {
            return flush_answers(worker_.tables(), site_, request);
        });
    }

    int run() {
        log().info(fmt::format(
            "daemon started -- version {}{}, {} approved", PROXYD_VERSION,
            arguments_.mode == RunMode::master ? fmt::format(", generation {}", environment_.generation) : "",
            table_count()));
        loop_.run();
        daemon_log().write_all_counts();
        return 0;
    }

    void stop_on_signals() {
        loop_.on_signal(SIGTERM, [this] { stop(); });
        loop_.on_signal(SIGINT, [this] { stop(); });
    }

    void stop() {
        leave(stop_limit);
        worker_.server().hurry(stop_limit);
    }

    void leave(Duration limit) {
        if (leaving_) return;
        leaving_ = true;
        if (manager_) manager_->stopping();
        control_.reset();
        front_watch_.reset();
        status_.reset();
        worker_.leave(limit, [this] { loop_.stop(); });
    }

    void reload() {
        try {
            auto fresh = read_site(arguments_, environment_);
            if (!fresh.option_problems.empty()) {
                for (const auto& problem : fresh.option_problems) log().error(problem);
                log().error("the configuration stays as it was");
                return;
            }
            site_ = std::move(fresh);
        } catch (const std::exception& error) {
            log().error(fmt::format("{} -- the configuration stays as it was", error.what()));
            return;
        }
        for (const auto& warning : site_.warnings) log().warning(warning);
        worker_.change(site_, arguments_);
        daemon_log().set_repeat_interval(site_.options.repeat_interval);
        log().info("configuration read again");
    }

    std::string status_line() { return table_count() + " allowed"; }

    std::string table_count() {
        const auto count = site_.approved.tables().size();
        return fmt::format("{} table{}", count, count == 1 ? "" : "s");
    }

    DaemonArguments arguments_;
    Environment environment_;
    ProcessFacts process_;
    Site site_;
    Worker worker_;
    EventLoop& loop_;  // the worker's
    std::unique_ptr<Timer> log_timer_;
    std::unique_ptr<Timer> life_timer_;
    std::optional<channel::Server> control_;
    std::optional<master::StatusChannel> status_;
    std::unique_ptr<FdWatch> front_watch_;
    std::optional<master::ServiceManager> manager_;
    bool leaving_ = false;
};

}  // namespace

int run_daemon(const DaemonArguments& arguments) {
    master::ignore_signals();
    share_one_heap();
    umask(077);
    const auto environment = master::read_environment([](const char* name) { return std::getenv(name); });
    daemon_log().set_verbose(arguments.verbose > 0 || environment.verbose);
    master::raise_descriptor_limit();

    auto site = read_site(arguments, environment);
    open_final_log(arguments, environment, site);
    for (const auto& problem : site.option_problems) log().error(problem);
    if (!site.option_problems.empty() && arguments.mode != RunMode::master) {
        throw std::runtime_error(plural(site.option_problems.size(), "mistake") + " in the options");
    }
    for (const auto& warning : site.warnings) log().warning(warning);

    std::optional<master::SingleProcess> single;
    if (arguments.mode == RunMode::master) {
        const auto queue_directory = site.main_cf->value("queue_directory");
        single.emplace(queue_directory, arguments.service_name, master::first_listen_fd, end_of_last);
        if (!single->alone()) {
            log().info("another process serves already");
            return 0;
        }
        enter_service(arguments, site, queue_directory);
    }
    std::vector<int> listen_fds;
    if (arguments.mode == RunMode::master) listen_fds = master::adopt_inherited(arguments.socket_count);
    harden(arguments, site.options);
    AloneSockets sockets;
    std::optional<master::HeldSignals> held;
    if (arguments.mode == RunMode::listen) {
        held.emplace();  // they may come as soon as the socket is visible
        sockets = open_alone(*arguments.listen_path);
        const auto tables = plural(site.approved.tables().size(), "table");
        if (sockets.own) log().info(fmt::format("listening on {} ({} allowed)", sockets.own->path(), tables));
    }

    std::optional<master::Heartbeat> heartbeat;
    master::ServingProcess serving;
    if (auto front = front_settings(arguments, site.options, listen_fds)) {
        if (front->standstill_limit > Duration::zero()) heartbeat.emplace();
        front->leave_to_next = [&single] {
            if (single) single->leave_to_parent();
        };
        serving = master::fork_serving_process(*front, heartbeat ? &*heartbeat : nullptr);
        if (single) single->leave_to_parent();
    }

    Daemon daemon(arguments, environment, std::move(site), heartbeat ? &*heartbeat : nullptr);
    switch (arguments.mode) {
        case RunMode::master: return daemon.run_under_master(listen_fds, serving);
        case RunMode::listen: return daemon.run_alone(sockets, serving, *held);
        default: return daemon.run_once();
    }
}

}  // namespace proxyd
