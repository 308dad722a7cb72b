#include "proxyd/daemon/daemon.h"

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

#include "backends/pool/large_memory.h"
#include "proxyd/config/site.h"
#include "proxyd/daemon/front.h"
#include "proxyd/daemon/open_log.h"
#include "proxyd/daemon/process_times.h"
#include "proxyd/daemon/serving_process.h"
#include "proxyd/daemon/worker_count.h"
#include "proxyd/hardening/capabilities.h"
#include "proxyd/hardening/system_calls.h"
#include "proxyd/logging/plural.h"
#include "proxyd/master/descriptors.h"
#include "proxyd/master/environment.h"
#include "proxyd/master/held_signals.h"
#include "proxyd/master/listen_socket.h"
#include "proxyd/master/privileges.h"
#include "proxyd/master/process_limits.h"
#include "proxyd/master/single_process.h"
#include "proxyd/master/socket_activation.h"

namespace proxyd {
namespace {

using master::DaemonArguments;
using master::Environment;
using master::RunMode;

// The time limit of a whole stop, if there is a front process.
constexpr std::chrono::seconds stop_patience = stop_limit + std::chrono::seconds(1);

// At a reload the old process ends at once. A process that does not end is serving.
constexpr std::chrono::seconds end_of_last{1};

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

bool has_service_manager() {
    return std::getenv("NOTIFY_SOCKET") != nullptr;
}

void log_start(const Environment& environment, const Site& site, int workers, RunMode mode) {
    log().info(
        fmt::format("daemon started -- version {}{}, {} approved, {}", PROXYD_VERSION,
                    mode == RunMode::master ? fmt::format(", generation {}", environment.generation) : "",
                    plural(site.approved.tables().size(), "table"), plural(workers, "worker")));
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

// No value: there is no front process. A service manager itself starts, watches and replaces the only worker.
std::optional<master::SupervisorSettings> supervisor_settings(const DaemonArguments& arguments,
                                                              const Environment& environment,
                                                              const Options& options, int workers,
                                                              const std::vector<int>& listen_fds) {
    master::SupervisorSettings settings;
    settings.workers = workers;
    settings.listen_fds = listen_fds;
    settings.standstill_limit = standstill_limit(options);
    settings.stop_limit = stop_patience;
    if (arguments.mode == RunMode::master) {
        settings.status_fd = master::status_fd;
        settings.generation = environment.generation;
        return settings;
    }
    if (arguments.mode != RunMode::listen) return std::nullopt;
    const bool watches = settings.standstill_limit > Duration::zero() && !has_service_manager();
    return workers > 1 || watches ? std::optional(settings) : std::nullopt;
}

// The configuration of a worker.
Site site_of_worker(Site site, WorkerShare share) {
    site.share = share;
    return site;
}

// What the processes of the daemon share.
struct SharedMemory {
    std::vector<std::unique_ptr<master::Heartbeat>> heartbeats;  // none: nobody watches
    std::optional<server::ClientCounts> counts;                  // none: there is one worker

    SharedMemory(int workers, bool watched) {
        for (int i = 0; watched && i < workers; ++i)
            heartbeats.push_back(std::make_unique<master::Heartbeat>());
        if (workers > 1) counts.emplace(workers);
    }
    [[nodiscard]] std::vector<master::Heartbeat*> all_heartbeats() const {
        std::vector<master::Heartbeat*> all;
        for (const auto& heartbeat : heartbeats) all.push_back(heartbeat.get());
        return all;
    }
    [[nodiscard]] ServingPlace place(const master::ServingProcess& process) {
        const auto index = static_cast<std::size_t>(process.index);
        return {process,
                index < heartbeats.size() ? heartbeats[index].get() : nullptr,
                counts ? &*counts : nullptr,
                {}};
    }
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

    const auto& service_fds = arguments.mode == RunMode::master ? listen_fds : sockets.fds;
    std::string service_socket;
    if (sockets.own) {
        service_socket = sockets.own->path();
    } else if (!service_fds.empty()) {
        service_socket = master::socket_path(service_fds.front());
    }
    const int workers = arguments.mode == RunMode::stdio ? 1 : worker_count(site);
    master::ServingProcess serving;
    const auto front = supervisor_settings(arguments, environment, site.options, workers, service_fds);
    SharedMemory memory(workers, front && front->standstill_limit > Duration::zero());
    if (front) {
        if (workers > 1) log_start(environment, site, workers, arguments.mode);
        Front::Duties duties;
        duties.service_socket = service_socket;
        duties.process = {arguments.mode == RunMode::master ? "master" : "listen", environment.generation};
        duties.has_service_manager = arguments.mode == RunMode::listen && has_service_manager();
        duties.counts = memory.counts ? &*memory.counts : nullptr;
        duties.ends = [&sockets] { sockets.own.reset(); };
        duties.continues = [&single] {
            if (single) single->leave_to_parent();
        };
        serving = Front(*front, memory.all_heartbeats(), std::move(duties)).run();
        if (single) single->leave_to_parent();
    }
    auto place = memory.place(serving);
    if (front && sockets.own) {
        // The front process removes the file at its end. Without one it is for those that are left.
        sockets.own->leave_file_to_parent();
        place.front_gone = [&sockets] { sockets.own->remove_file(); };
    }
    ServingProcess process(arguments, environment, site_of_worker(std::move(site), {serving.index, workers}),
                           std::move(place));
    switch (arguments.mode) {
        case RunMode::master: return process.run_under_master(listen_fds, service_socket);
        case RunMode::listen: return process.run_alone(sockets.fds, service_socket, *held);
        default: return process.run_once();
    }
}

}  // namespace proxyd
