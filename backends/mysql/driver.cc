#include "backends/mysql/driver.h"

#include <utility>

#include "backends/mysql/connection.h"

namespace proxyd::mysql {

Driver::Driver(Loop& loop, Resolver& resolver, ClusterIdentity cluster,
               std::shared_ptr<const pool::DriverSettings> settings)
    : loop_(loop), resolver_(resolver), cluster_(std::move(cluster)), settings_(std::move(settings)) {}

std::unique_ptr<pool::Connection> Driver::make_connection(std::size_t host,
                                                          pool::ConnectionObserver& observer) {
    return std::make_unique<Connection>(*this, cluster_.hosts.at(host), observer);
}

}  // namespace proxyd::mysql
