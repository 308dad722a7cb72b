#include "proxyd/daemon/component_settings.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "proxyd/master/process_limits.h"

namespace proxyd {
namespace {

// Clients leave descriptors for databases, for table files and for the log.
std::size_t descriptors_for_clients() {
    constexpr std::uint64_t enough_for_others = 512;
    const auto all = master::descriptor_limit();
    return all - std::min(all / 4, enough_for_others);
}

// The socket of a service, given by its path or by its name in master.cf; empty: there is none.
std::string service_socket(const std::string& service, const Site& site, bool chroot) {
    if (service.empty() || service.starts_with('/')) return service;
    if (!site.main_cf) return {};
    // In a chroot, the queue directory is both the working directory and the root directory.
    return fmt::format("{}/private/{}", chroot ? "" : site.main_cf->value("queue_directory"), service);
}

}  // namespace

relay::RelaySettings relay_settings(const Site& site, const master::DaemonArguments& arguments) {
    const bool write = arguments.read_write();
    const auto& service = write ? site.options.relay_write_service : site.options.relay_service;
    relay::RelaySettings settings;
    settings.service_name = write ? "proxywrite" : "proxymap";
    const Options usual;
    const bool is_usual = service == (write ? usual.relay_write_service : usual.relay_service);
    // A relay to itself would loop forever.
    const auto own =
        arguments.listen_path.value_or(service_socket(arguments.service_name, site, arguments.chroot));
    settings.path = service_socket(service, site, arguments.chroot);
    const bool is_itself = !settings.path.empty() && is_same_socket(settings.path, own);
    if (is_itself) settings.path.clear();
    if (settings.path.empty()) {
        settings.advice = fmt::format(": see relay_service in proxyd.cf(5){}",
                                      is_itself ? ", it names this service itself" : "");
    } else if (!service.starts_with('/')) {
        settings.advice = fmt::format(
            " -- tables of this type are asked of the stock server: add the line "
            "\"{} unix - - n - {} proxymap -n {}\" to master.cf{}, then reload Postfix",
            service, write ? "1" : "-", settings.service_name,
            is_usual ? ""
                     : fmt::format(", or correct {} in proxyd.cf",
                                   write ? "relay_write_service" : "relay_service"));
        settings.silence_advice = fmt::format(
            ": the service {} of master.cf has started no process that answers; "
            "\"proxyctl check\" looks at its line",
            service);
    }
    settings.connections = site.share.of(site.options.relay_connections);
    settings.queue_limit = site.options.queue_limit;
    settings.lookup_timeout = site.options.lookup_timeout;
    if (site.main_cf) {
        const auto version = site.main_cf->mail_version();
        settings.greeting =
            postfix::needs_greeting(version) ? protocol::Greeting::yes : protocol::Greeting::no;
        settings.layout = postfix::layout_of(version);
    }
    return settings;
}

server::ServerSettings server_settings(const Site& site) {
    server::ServerSettings settings;
    settings.greeting = site.greeting;
    settings.limits.message_bytes = site.options.request_size_limit;
    settings.request_timeout = site.options.request_timeout;
    settings.most_clients = descriptors_for_clients();
    settings.most_memory /= static_cast<std::size_t>(site.share.count);
    return settings;
}

server::ServiceSettings service_settings(const Site& site, const master::DaemonArguments& arguments) {
    return {arguments.read_write() ? postfix::Access::write : postfix::Access::read, site.smtputf8,
            site.approval_hint};
}

}  // namespace proxyd
