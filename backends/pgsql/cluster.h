// The PostgreSQL servers of a table and how to log in: the identity by which tables share a pool.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backends/pool/host.h"
#include "backends/report/secrets.h"

namespace proxyd::pgsql {

// As in the table file (pgsql_table(5)). Tables whose canonical() identities are equal share one pool.
struct ClusterIdentity {
    std::vector<std::string> hosts;  // items of `hosts`, in order; never empty
    std::string user;
    std::string password;
    std::string dbname;  // a name, or libpq connection text or URI
    std::string encoding;

    auto operator<=>(const ClusterIdentity&) const = default;
};

// The identity with one spelling for each server: "db.example", "inet:DB.example" and "db.example:5432" are
// the same one. The order of the hosts has no meaning. URIs, and ports that dbname may give, stay as they
// are.
[[nodiscard]] ClusterIdentity canonical(ClusterIdentity cluster);

// libpq keywords and values of one connection attempt.
using ConnectParameters = std::map<std::string, std::string, std::less<>>;

// One address of a host to try. The caller resolves `host` and adds `hostaddr`; empty: no name to resolve (a
// UNIX socket, or `hostaddr` is given already).
struct Endpoint {
    std::string host;
    ConnectParameters parameters;
};

// Whether a `hosts` item is a connection URI ("scheme://...").
[[nodiscard]] bool is_uri(std::string_view host);

// For the log and for the order of preference: UNIX sockets, then TCP, then URIs.
[[nodiscard]] pool::HostInfo host_info(const std::string& host);

// The secrets to hide in the texts of these servers.
[[nodiscard]] proxyd::cluster::Secrets secrets_of(const ClusterIdentity& cluster);

// The targets of one item of `hosts`. Empty, with the reason in `error` (without passwords), when libpq
// cannot parse a URI or the connection text in dbname, or when a name to be resolved cannot be a host name.
[[nodiscard]] std::vector<Endpoint> endpoints(const ClusterIdentity& cluster, const std::string& host,
                                              std::string& error);

}  // namespace proxyd::pgsql
