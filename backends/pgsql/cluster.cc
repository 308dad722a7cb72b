#include "backends/pgsql/cluster.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "backends/cluster/host_name.h"
#include "backends/pgsql/unknown_option.h"
#include "backends/report/redact.h"

namespace proxyd::pgsql {
namespace {

constexpr int rank_unix = 0;
constexpr int rank_inet = 1;
constexpr int rank_uri = 2;

std::string_view without_prefix(std::string_view host) {
    for (const std::string_view prefix : {"unix:", "inet:"}) {
        if (host.starts_with(prefix)) return host.substr(prefix.size());
    }
    return host;
}

bool is_unix(std::string_view host) {
    const auto rest = without_prefix(host);
    return rest.empty() ? host.starts_with("unix:") : rest.front() == '/';
}

bool is_connection_text(const std::string& dbname) {
    return dbname.find('=') != std::string::npos || dbname.starts_with("postgresql://") ||
           dbname.starts_with("postgres://");
}

// Merges the parameters that libpq finds in a URI or in `keyword = value` text.
bool merge_connection_text(ConnectParameters& parameters, const std::string& text, std::string& error) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(text.c_str(), &message), PQconninfoFree);
    if (!options) {
        // The message of libpq would quote the text, and with it the password.
        error = "libpq cannot read this URI or connection text";
        if (const auto unknown = find_unknown_option(text)) error += ": " + *unknown;
        PQfreemem(message);
        return false;
    }
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr) parameters[option->keyword] = option->val;
    }
    return true;
}

// libpq takes parallel lists of hosts, addresses and ports.
std::vector<std::string> split_commas(const std::string& text) {
    std::vector<std::string> items(1);
    for (const char c : text) {
        if (c == ',') {
            items.emplace_back();
        } else {
            items.back() += c;
        }
    }
    return items;
}

bool is_port(const std::string& text) {
    int number = 0;
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    return problem == std::errc() && stop == text.data() + text.size() && number >= 1 && number <= 65535;
}

// Mistakes in items of `hosts` that are no URIs: returns the right form, no value: there is none.
std::optional<std::string> slip_in(std::string_view name) {
    constexpr std::string_view socket_name = ".s.PGSQL.";
    if (const auto slash = name.rfind('/'); name.starts_with('/') && slash != std::string_view::npos &&
                                            name.substr(slash + 1).starts_with(socket_name)) {
        const auto directory = name.substr(0, slash);
        const auto port = name.substr(slash + 1 + socket_name.size());
        return fmt::format(
            "it is the socket itself: write its directory, {}{}", directory,
            port == "5432" ? std::string()
                           : fmt::format(", and the port in dbname, as dbname = dbname=mail port={}", port));
    }
    const bool plain = name.find_first_not_of("0123456789abcdefABCDEF:.[]") == std::string_view::npos;
    if (plain && std::count(name.begin(), name.end(), ':') > 1)
        return "an IPv6 address stands in a URI: write postgresql://[::1]:5432/dbname";
    return std::nullopt;
}

// The port of a server for which nothing gives another one; "": unknown.
std::string default_port() {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconndefaults(),
                                                                               PQconninfoFree);
    if (!options) return "";
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        if (std::string_view(option->keyword) == "port") return option->val != nullptr ? option->val : "";
    }
    return "";
}

std::string item_or_only(const std::vector<std::string>& items, std::size_t index) {
    if (index < items.size()) return items[index];
    return items.size() == 1 ? items.front() : "";
}

}  // namespace

bool is_uri(std::string_view host) {
    const auto end = host.find("://");
    if (end == std::string_view::npos || end == 0) return false;
    if (std::isalpha(static_cast<unsigned char>(host.front())) == 0) return false;
    for (const char c : host.substr(0, end)) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '+' && c != '-') return false;
    }
    return true;
}

pool::HostInfo host_info(const std::string& host) {
    return {redact_host(host), is_uri(host) ? rank_uri : is_unix(host) ? rank_unix : rank_inet};
}

ClusterIdentity canonical(ClusterIdentity cluster) {
    static const std::string usual_port = default_port();
    for (auto& host : cluster.hosts) {
        if (is_uri(host)) continue;
        const auto name = without_prefix(host);
        if (is_unix(host) || name.starts_with('@')) {
            if (!name.empty()) host = std::string(name);
            continue;
        }
        const auto colon = name.rfind(':');
        std::string port(colon != std::string_view::npos ? name.substr(colon + 1) : "");
        if (port.empty() && !is_connection_text(cluster.dbname)) port = usual_port;
        auto server = proxyd::cluster::canonical_host_name(name.substr(0, colon));
        if (!port.empty()) server += ":" + port;
        host = std::move(server);
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
    for (const auto& host : cluster.hosts) {
        ConnectParameters read;
        std::string ignored;
        const auto& text = is_uri(host) ? host : cluster.dbname;
        if (is_uri(host) || is_connection_text(text)) (void)merge_connection_text(read, text, ignored);
        for (const auto* keyword : {"password", "sslpassword"})
            if (read.contains(keyword)) secrets.add(read[keyword]);
    }
    return secrets;
}

std::vector<Endpoint> endpoints(const ClusterIdentity& cluster, const std::string& host, std::string& error) {
    ConnectParameters base;
    if (is_uri(host)) {
        if (!merge_connection_text(base, host, error)) return {};
    } else {
        if (is_connection_text(cluster.dbname)) {
            if (!merge_connection_text(base, cluster.dbname, error)) return {};
        } else if (!cluster.dbname.empty()) {
            base["dbname"] = cluster.dbname;
        }
        const auto name = without_prefix(host);
        auto fault = slip_in(name);
        if (!fault && !is_unix(host) && !base.contains("hostaddr") && !name.starts_with('@'))
            fault = proxyd::cluster::secret_fault(name);
        if (fault) {
            error = *fault;
            return {};
        }
        if (is_unix(host)) {
            if (!name.empty()) base["host"] = name;
        } else {
            const auto colon = name.rfind(':');
            base["host"] = name.substr(0, colon);
            if (colon != std::string_view::npos && colon + 1 < name.size())
                base["port"] = name.substr(colon + 1);
        }
        if (!cluster.user.empty()) base["user"] = cluster.user;
        if (!cluster.password.empty()) base["password"] = cluster.password;
    }
    base["client_encoding"] = cluster.encoding;
    base.try_emplace("fallback_application_name", "proxyd");
    // A server that vanished from the network is noticed while its lookups can still be asked elsewhere.
    base.try_emplace("tcp_user_timeout", "3000");
    base.try_emplace("keepalives_idle", "3");
    base.try_emplace("keepalives_interval", "1");
    base.try_emplace("keepalives_count", "3");

    const auto names = split_commas(base.contains("host") ? base["host"] : "");
    const auto addresses = split_commas(base.contains("hostaddr") ? base["hostaddr"] : "");
    const auto ports = split_commas(base.contains("port") ? base["port"] : "");
    for (const auto& port : ports) {
        if (!port.empty() && !is_port(port)) {
            // The text is not shown: if the item is no host, a part of a password may stand there.
            error = "the port is not a number from 1 to 65535";
            return {};
        }
    }
    std::vector<Endpoint> result;
    for (std::size_t i = 0; i < std::max(names.size(), addresses.size()); ++i) {
        Endpoint endpoint{"", base};
        const auto set = [&endpoint](const char* keyword, const std::string& value) {
            if (value.empty()) {
                endpoint.parameters.erase(keyword);
            } else {
                endpoint.parameters[keyword] = value;
            }
        };
        const auto name = i < names.size() ? names[i] : "";
        const auto address = i < addresses.size() ? addresses[i] : "";
        set("host", name);
        set("hostaddr", address);
        set("port", item_or_only(ports, i));
        // '/' and '@' (abstract) start UNIX socket names.
        if (address.empty() && !name.empty() && name.front() != '/' && name.front() != '@')
            endpoint.host = name;
        if (const auto fault = proxyd::cluster::host_name_fault(endpoint.host)) {
            error = *fault;
            return {};
        }
        result.push_back(std::move(endpoint));
    }
    return result;
}

}  // namespace proxyd::pgsql
