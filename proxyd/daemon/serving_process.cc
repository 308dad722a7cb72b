#include "proxyd/daemon/serving_process.h"

#include <chrono>
#include <csignal>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "backends/report/activity.h"
#include "backends/report/log.h"
#include "proxyd/channel/path.h"
#include "proxyd/daemon/flush_request.h"
#include "proxyd/daemon/one_request.h"
#include "proxyd/daemon/open_log.h"
#include "proxyd/daemon/process_times.h"
#include "proxyd/logging/plural.h"

namespace proxyd {

using master::DaemonArguments;
using master::RunMode;
using nlohmann::json;

namespace {

constexpr std::chrono::seconds log_interval{5};

}  // namespace

ServingProcess::ServingProcess(const DaemonArguments& arguments, const master::Environment& environment,
                               Site site, ServingPlace place)
    : arguments_(arguments),
      environment_(environment),
      place_(std::move(place)),
      process_{arguments.mode == RunMode::master ? "master" : "listen", environment.generation},
      site_(std::move(site)),
      worker_(site_, arguments_),
      loop_(worker_.loop()),
      load_(Clock::now()),
      log_timer_(loop_.make_timer([this] {
          daemon_log().write_due();
          load_.look(Clock::now());
          log_timer_->start(log_interval);
      })) {
    log_timer_->start(log_interval);
    if (place_.heartbeat != nullptr) show_life(*place_.heartbeat);
    if (place_.counts != nullptr) worker_.server().share_clients(*place_.counts, place_.process.index);
}

int ServingProcess::run_under_master(const std::vector<int>& listen_fds, const std::string& service_socket) {
    serve(listen_fds, service_socket, site_.options.drain_timeout);
    stop_on_signals();
    tell_ready();
    return run();
}

int ServingProcess::run_alone(const std::vector<int>& listen_fds, const std::string& service_socket,
                              const master::HeldSignals& held) {
    serve(listen_fds, service_socket, stop_limit);
    if (!front_) manager_.emplace(loop_);
    loop_.on_signal(SIGHUP, [this] {
        if (manager_) manager_->reloading();
        reload();
        tell_ready();
    });
    stop_on_signals();
    held.release();
    // The front process knows only the configuration of its own start.
    if (place_.process.replaces) reload();
    tell_ready();
    return run();
}

int ServingProcess::run_once() {
    return answer_one_request(loop_, worker_.service(), worker_.server().settings().limits);
}

void ServingProcess::show_life(master::Heartbeat& heartbeat) {
    set_activity_board(&heartbeat.board());
    const auto interval = master::StandstillClock::interval(standstill_limit(site_.options));
    life_timer_ = loop_.make_timer([this, &heartbeat, interval] {
        heartbeat.beat();
        life_timer_->start(interval);
    });
    heartbeat.beat();
    life_timer_->start(interval);
}

void ServingProcess::serve(const std::vector<int>& listen_fds, const std::string& service_socket,
                           Duration front_limit) {
    for (const int fd : listen_fds) worker_.server().listen(fd);
    if (place_.process.front_fd >= 0) {
        join_front(front_limit);
    } else {
        open_control(service_socket);
    }
}

// The front process answers the control channel. `limit`: for the end of this process after that one's.
void ServingProcess::join_front(Duration limit) {
    add_commands(commands_);
    front_ = std::make_unique<master::LineLink>(
        loop_, place_.process.front_fd,
        master::LineLink::Events{[this](const std::string& line) { answer_front(line); },
                                 [this, limit] {
                                     if (place_.front_gone) place_.front_gone();
                                     leave(limit);
                                 }});
    worker_.server().on_ended([this](const server::AnsweredRequest&) {
        if (!std::exchange(use_told_, true)) (void)front_->send("used");
    });
}

void ServingProcess::answer_front(const std::string& line) {
    const auto request = json::parse(line, nullptr, false);
    if (!request.is_object()) return;
    const channel::Caller caller{request.value("caller", pid_t{0}), 0};
    commands_.answer(request, caller, [this, id = request.value("id", 0LL)](json reply) {
        reply["id"] = id;
        (void)front_->send(channel::line_of(reply));
    });
}

void ServingProcess::open_control(const std::string& service_socket) {
    if (service_socket.empty()) return;
    try {
        control_.emplace(loop_, channel::path_beside(service_socket));
        add_commands(control_->commands());
    } catch (const std::exception& error) {
        log_no_control(error);
    }
}

void ServingProcess::add_commands(channel::Commands& commands) {
    commands.add("status", [this](const json&, const channel::Caller& caller) {
        return status_report(process_, site_, worker_, load_.share(Clock::now()), caller.process);
    });
    commands.add("flush", [this](const json& request, const channel::Caller&) {
        return flush_answers(worker_.tables(), site_, request);
    });
}

void ServingProcess::tell_ready() {
    const auto text = table_count() + " allowed";
    if (manager_) manager_->ready(text);
    if (front_) (void)front_->send("ready " + text);
}

int ServingProcess::run() {
    if (site_.share.count == 1) {
        log().info(fmt::format(
            "daemon started -- version {}{}, {} approved", PROXYD_VERSION,
            arguments_.mode == RunMode::master ? fmt::format(", generation {}", environment_.generation) : "",
            table_count()));
    }
    loop_.run();
    daemon_log().write_all_counts();
    return 0;
}

void ServingProcess::stop_on_signals() {
    loop_.on_signal(SIGTERM, [this] { stop(); });
    loop_.on_signal(SIGINT, [this] { stop(); });
}

void ServingProcess::stop() {
    leave(stop_limit);
    worker_.server().hurry(stop_limit);
}

void ServingProcess::leave(Duration limit) {
    if (leaving_) return;
    leaving_ = true;
    if (manager_) manager_->stopping();
    control_.reset();
    worker_.leave(limit, [this] { loop_.stop(); });
}

void ServingProcess::reload() {
    try {
        auto fresh = read_site(arguments_, environment_);
        fresh.share = site_.share;
        auto problems = fresh.option_problems;
        if (const int workers = fresh.share.count; fresh.options.pool_size < workers) {
            problems.push_back(
                fmt::format("{}: pool_size = {} is for all workers together, and {} of them run: "
                            "restart proxyd, which then starts fewer",
                            fresh.options_path, fresh.options.pool_size, workers));
        }
        if (!problems.empty()) {
            for (const auto& problem : problems) log().error(problem);
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

std::string ServingProcess::table_count() const {
    return plural(site_.approved.tables().size(), "table");
}

}  // namespace proxyd
