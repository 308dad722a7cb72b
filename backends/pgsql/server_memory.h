// Remembers the silent servers of a URI that names several.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/pgsql/cluster.h"

namespace proxyd::pgsql {

// For one cluster: servers that did not answer the last try come behind the others, whose order is that of
// the URI.
class ServerMemory {
  public:
    // `host` is the item of `hosts` that names the servers.
    [[nodiscard]] std::vector<Endpoint> in_order(const std::string& host,
                                                 std::vector<Endpoint> servers) const {
        std::stable_partition(servers.begin(), servers.end(), [this, &host](const Endpoint& server) {
            return !silent_.contains(key(host, server));
        });
        return servers;
    }
    void failed(const std::string& host, const Endpoint& server) { silent_.insert(key(host, server)); }
    void worked(const std::string& host, const Endpoint& server) { silent_.erase(key(host, server)); }

  private:
    using Key = std::pair<std::string, std::vector<std::string>>;
    static Key key(const std::string& host, const Endpoint& server) {
        const auto value = [&server](std::string_view name) {
            const auto found = server.parameters.find(name);
            return found == server.parameters.end() ? std::string() : found->second;
        };
        return {host, {value("host"), value("hostaddr"), value("port")}};
    }

    std::set<Key> silent_;
};

}  // namespace proxyd::pgsql
