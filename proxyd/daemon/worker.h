// Everything that one event loop owns. A worker answers clients by itself and shares nothing with another
// worker.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backends/event/event_loop.h"
#include "backends/event/resolver.h"
#include "backends/relay/relay.h"
#include "backends/table/table_set.h"
#include "proxyd/config/site.h"
#include "proxyd/daemon/idle_memory.h"
#include "proxyd/master/arguments.h"
#include "proxyd/server/server.h"
#include "proxyd/server/service.h"

namespace proxyd {

// The parts are made in the order of their dependence, and are destroyed in the reverse order.
class Worker {
  public:
    // Throws std::runtime_error when a client library cannot be used. Listens nowhere yet.
    Worker(const Site& site, const master::DaemonArguments& arguments);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Applies a configuration that was read again. Lookups under way end under the old one.
    void change(const Site& site, const master::DaemonArguments& arguments);

    // Takes no new lookups. Closes connections to databases and the stock server as they become idle, and
    // clients within `limit`. Calls `left` from the loop when the last client has gone, or at the limit.
    void leave(Duration limit, std::function<void()> left);

    // The loop and all other parts belong to the worker's thread.
    [[nodiscard]] EventLoop& loop() { return loop_; }
    [[nodiscard]] table::TableSet& tables() { return tables_; }
    [[nodiscard]] const relay::Relay& relay() const { return relay_; }
    [[nodiscard]] server::Service& service() { return service_; }
    [[nodiscard]] server::Server& server() { return server_; }

  private:
    EventLoop loop_;
    Resolver resolver_;
    table::TableSet tables_;
    relay::Relay relay_;
    server::Service service_;
    server::Server server_;
    IdleMemory idle_memory_;
};

}  // namespace proxyd
