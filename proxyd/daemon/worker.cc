#include "proxyd/daemon/worker.h"

#include <utility>

#include "backends/table_types.h"
#include "proxyd/daemon/component_settings.h"

namespace proxyd {

Worker::Worker(const Site& site, const master::DaemonArguments& arguments)
    : resolver_(loop_),
      tables_(loop_, table_set_options(site)),
      relay_(loop_, relay_settings(site, arguments)),
      service_(tables_, relay_, site.approved, service_settings(site, arguments)),
      server_(loop_, service_, server_settings(site)),
      idle_memory_(loop_, [this] { return server_.served(); }) {
    loop_.set_busy_poll(std::chrono::microseconds(site.options.busy_poll));
    for (auto& [type, backend] : make_table_backends(loop_, resolver_))
        tables_.add_backend(std::move(type), std::move(backend));
    tables_.ask_elsewhere([this](const std::string& table, std::string_view key, Deadline deadline,
                                 table::LookupCallback callback) {
        relay_.lookup(table, key, deadline, [callback = std::move(callback)](const protocol::Reply& reply) {
            callback({reply.status, std::string(reply.value), table::Source::relay});
        });
    });
    tables_.ask_for_room([this](std::size_t bytes) { return server_.has_room_for_reply(bytes); });
}

void Worker::change(const Site& site, const master::DaemonArguments& arguments) {
    service_.change(site.approved, service_settings(site, arguments));
    server_.change(server_settings(site));
    tables_.reload(table_set_options(site));
    relay_.change(relay_settings(site, arguments));
    loop_.set_busy_poll(std::chrono::microseconds(site.options.busy_poll));
}

void Worker::leave(Duration limit, std::function<void()> left) {
    tables_.wind_down();
    relay_.wind_down();
    server_.drain(limit, std::move(left));
}

}  // namespace proxyd
