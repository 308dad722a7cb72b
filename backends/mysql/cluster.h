// The MySQL or MariaDB servers of a table and how to log in: the identity by which tables share a pool.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/pool/host.h"
#include "backends/report/secrets.h"

namespace proxyd::mysql {

// As in the table file (mysql_table(5)). Tables whose canonical() identities are equal share one pool.
struct ClusterIdentity {
    std::vector<std::string> hosts;  // items of `hosts`, in order; never empty
    std::string user;
    std::string password;
    std::string dbname;
    std::string charset;
    std::string option_file;   // "": none
    std::string option_group;  // "": none
    std::string tls_cert_file;
    std::string tls_key_file;
    std::string tls_ca_file;
    std::string tls_ca_path;
    std::string tls_ciphers;
    std::optional<bool> tls_verify_cert;

    // Whether one of tls_cert_file, tls_key_file, tls_CAfile, tls_CApath and tls_ciphers is set.
    [[nodiscard]] bool names_tls_files() const {
        return !tls_cert_file.empty() || !tls_key_file.empty() || !tls_ca_file.empty() ||
               !tls_ca_path.empty() || !tls_ciphers.empty();
    }
    [[nodiscard]] bool asks_for_tls() const { return names_tls_files() || tls_verify_cert.value_or(false); }

    auto operator<=>(const ClusterIdentity&) const = default;
};

// The identity with one spelling for each server: "db.example", "inet:DB.example" and "db.example:3306" are
// the same one. The order of the hosts has no meaning. Where option files are read, one may give the port, or
// another meaning to "localhost": then a port that is missing stays so.
[[nodiscard]] ClusterIdentity canonical(ClusterIdentity cluster);

// The target of one item of `hosts`.
struct Endpoint {
    std::string host;         // to be resolved; "localhost": the library's default UNIX socket
    std::string socket_path;  // when not empty: this UNIX socket
    unsigned port = 0;        // 0: the library's default

    // Whether the library connects by a UNIX socket, so that there is no name to resolve.
    [[nodiscard]] bool local() const;
};

// No value when the item cannot be a host, or its port is neither a number nor a known service; `error` then
// gives the right form. The error holds no password.
[[nodiscard]] std::optional<Endpoint> parse_host(const std::string& host, std::string& error);

// The secrets to hide in the texts of these servers.
[[nodiscard]] proxyd::cluster::Secrets secrets_of(const ClusterIdentity& cluster);

// For the log and for the order of preference: UNIX sockets, then TCP.
[[nodiscard]] pool::HostInfo host_info(const std::string& host);

}  // namespace proxyd::mysql
