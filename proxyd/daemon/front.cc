#include "proxyd/daemon/front.h"

#include <exception>
#include <utility>

#include "proxyd/daemon/process_times.h"

namespace proxyd {

Front::Front(master::SupervisorSettings settings, const std::vector<master::Heartbeat*>& heartbeats,
             Duties duties)
    : duties_(std::move(duties)), supervisor_(std::move(settings), heartbeats) {
    if (!duties_.service_socket.empty()) open_control();
    if (duties_.has_service_manager) manager_.emplace(supervisor_.loop());
}

void Front::open_control() {
    try {
        control_.emplace(supervisor_.loop(), supervisor_.workers(), duties_.process, duties_.service_socket);
    } catch (const std::exception& error) {
        log_no_control(error);
    }
}

master::ServingProcess Front::run() {
    master::Supervisor::Events events;
    events.reloads = [this] {
        if (manager_) manager_->reloading();
    };
    events.serves = [this](const std::string& text) {
        if (manager_) manager_->ready(text);
    };
    events.leaves = [this] {
        if (manager_) manager_->stopping();
        control_.reset();
    };
    events.ends = [this] {
        if (duties_.ends) duties_.ends();
    };
    events.died = [this](int worker) {
        if (duties_.counts != nullptr) duties_.counts->leave(worker);
        if (control_) control_->died(worker);
    };
    events.told = [this](int worker, const std::string& line) {
        if (control_) control_->told(worker, line);
    };
    events.continues = [this] {
        manager_.reset();
        if (duties_.continues) duties_.continues();
    };
    auto serving = supervisor_.run(std::move(events));
    if (control_) control_->leave_file_to_parent();
    return serving;
}

}  // namespace proxyd
