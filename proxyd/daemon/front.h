// The front process of the daemon: its supervisor, the control channel, and what a service manager is told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxyd/daemon/front_control.h"
#include "proxyd/daemon/status_report.h"
#include "proxyd/master/heartbeat.h"
#include "proxyd/master/service_manager.h"
#include "proxyd/master/supervisor.h"
#include "proxyd/server/client_counts.h"

namespace proxyd {

class Front {
  public:
    struct Duties {
        std::string service_socket;  // at which clients connect; empty: unknown
        ProcessFacts process;
        bool has_service_manager = false;        // that wants to be told
        server::ClientCounts* counts = nullptr;  // null: there is one worker
        std::function<void()> ends;              // called when this process ends; may be empty
        std::function<void()> continues;         // see master::Supervisor::Events
    };

    // As master::Supervisor.
    Front(master::SupervisorSettings settings, const std::vector<master::Heartbeat*>& heartbeats,
          Duties duties);

    // Returns in each serving process. This is to be destroyed there.
    [[nodiscard]] master::ServingProcess run();

  private:
    void open_control();

    Duties duties_;
    master::Supervisor supervisor_;
    std::optional<FrontControl> control_;
    std::optional<master::ServiceManager> manager_;
};

}  // namespace proxyd
