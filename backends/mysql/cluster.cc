#include "backends/mysql/cluster.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <mysql.h>
#include <netdb.h>
#include <strings.h>

#include "backends/cluster/host_name.h"
#include "backends/report/redact.h"

namespace proxyd::mysql {
namespace {

constexpr int rank_unix = 0;
constexpr int rank_inet = 1;

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view inet_prefix = "inet:";

bool parse_port(const std::string& text, unsigned& port) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (problem == std::errc() && end == text.data() + text.size()) return port <= 65535;
    std::array<char, 1024> buffer{};
    servent entry{};
    servent* found = nullptr;
    if (getservbyname_r(text.c_str(), "tcp", &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return false;
    }
    port = ntohs(static_cast<std::uint16_t>(found->s_port));
    return true;
}

// The port of the library for a server whose port nobody gives; 0: unknown.
unsigned default_port() {
    unsigned port = 0;
    if (const char* given = std::getenv("MYSQL_TCP_PORT")) return parse_port(given, port) ? port : 0;
    return parse_port("mysql", port) ? port : MYSQL_PORT;
}

}  // namespace

bool Endpoint::local() const {
    return !socket_path.empty() || host.empty() || strcasecmp(host.c_str(), "localhost") == 0;
}

std::optional<Endpoint> parse_host(const std::string& host, std::string& error) {
    Endpoint endpoint;
    if (host.starts_with(unix_prefix)) {
        endpoint.host = "localhost";
        endpoint.socket_path = host.substr(unix_prefix.size());
        return endpoint;
    }
    if (host.find("://") != std::string::npos) {
        error = fmt::format(
            "host {}: a MySQL host is no URI: write host, host:port or unix:/path; user, password and "
            "dbname have parameters of their own",
            redact_host(host));
        return std::nullopt;
    }
    std::string name = host.starts_with(inet_prefix) ? host.substr(inet_prefix.size()) : host;
    std::string port;
    if (const auto fault = proxyd::cluster::secret_fault(name)) {
        error = fmt::format("host {}: {}", redact_host_and_port(host), *fault);
        return std::nullopt;
    }
    if (name.starts_with('[') && name.find(']') != std::string::npos) {
        const auto close = name.find(']');
        if (close + 1 < name.size() && name[close + 1] == ':') port = name.substr(close + 2);
        name = name.substr(1, close - 1);
    } else if (const auto colon = name.rfind(':'); colon != std::string::npos) {
        port = name.substr(colon + 1);
        name.erase(colon);
    }
    endpoint.host = name;
    auto fault = name.empty() ? std::nullopt : cluster::host_name_fault(name);
    if (name.starts_with('/')) fault = fmt::format("a UNIX-domain socket is written unix:{}", name);
    if (fault) {
        error = fmt::format("host {}: {}", redact_host_and_port(host), *fault);
        return std::nullopt;
    }
    if (!port.empty() && !parse_port(port, endpoint.port)) {
        // A part of an invalid host may be a part of a password.
        error = fmt::format("host {}: the port is neither a number nor a known TCP service",
                            redact_host_and_port(host));
        return std::nullopt;
    }
    return endpoint;
}

ClusterIdentity canonical(ClusterIdentity cluster) {
    static const unsigned usual_port = default_port();
    const bool reads_options = !cluster.option_file.empty() || !cluster.option_group.empty();
    for (auto& host : cluster.hosts) {
        std::string error;
        const auto endpoint = parse_host(host, error);
        if (!endpoint || !endpoint->socket_path.empty()) continue;
        auto port = endpoint->port;
        if (!reads_options && endpoint->local()) {
            host = "localhost";  // its UNIX socket: the port has no meaning
            continue;
        }
        if (!reads_options && port == 0) port = usual_port;
        host = fmt::format("[{}]", proxyd::cluster::canonical_host_name(endpoint->host));
        if (port != 0) host += fmt::format(":{}", port);
    }
    std::sort(cluster.hosts.begin(), cluster.hosts.end());
    return cluster;
}

proxyd::cluster::Secrets secrets_of(const ClusterIdentity& cluster) {
    proxyd::cluster::Secrets secrets;
    secrets.add_public(cluster.user);
    secrets.add_dbname(cluster.dbname);
    for (const auto& host : cluster.hosts) secrets.add_public(host);
    secrets.add(cluster.password);
    secrets.add_user(cluster.user);
    return secrets;
}

pool::HostInfo host_info(const std::string& host) {
    return {redact_host(host), host.starts_with(unix_prefix) ? rank_unix : rank_inet};
}

}  // namespace proxyd::mysql
