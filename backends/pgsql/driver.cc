#include "backends/pgsql/driver.h"

#include <utility>

#include <fmt/format.h>

#include "backends/pgsql/connection.h"
#include "backends/report/log.h"

namespace proxyd::pgsql {

Driver::Driver(Loop& loop, Resolver& resolver, ClusterIdentity cluster,
               std::shared_ptr<const pool::DriverSettings> settings)
    : loop_(loop), resolver_(resolver), cluster_(std::move(cluster)), settings_(std::move(settings)) {}

std::unique_ptr<pool::Connection> Driver::make_connection(std::size_t host,
                                                          pool::ConnectionObserver& observer) {
    return std::make_unique<Connection>(*this, cluster_.hosts.at(host), observer);
}

void Driver::pooler_noticed(const std::string& why) {
    if (behind_pooler_) return;
    behind_pooler_ = true;
    log().info(without_secrets(
        fmt::format("database {}: {}: there seems to be a pooler in between, so statements are not prepared "
                    "and the server gets no statement_timeout",
                    cluster_.dbname, why)));
}

std::vector<pool::HostInfo> host_infos(const ClusterIdentity& cluster) {
    std::vector<pool::HostInfo> infos;
    for (const auto& host : cluster.hosts) infos.push_back(host_info(host));
    return infos;
}

}  // namespace proxyd::pgsql
