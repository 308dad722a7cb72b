#include "backends/cluster/host_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace proxyd::cluster {
namespace {

// An interface may follow the address: fe80::1%eth0.
bool is_ipv6(std::string_view name) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return inet_pton(AF_INET6, std::string(name.substr(0, name.find('%'))).c_str(), address.data()) == 1;
}

// Names outside ASCII are left to the resolver.
bool is_possible(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x7f ||
           (byte > ' ' && std::string_view("\"#$&'()*;<>?\\^`{|}~!\x7f").find(c) == std::string_view::npos);
}

}  // namespace

std::optional<std::string> secret_fault(std::string_view item) {
    if (item.find('@') != std::string_view::npos)
        return "it holds '@', which no host name does: user and password have parameters of their own";
    if (item.find('=') != std::string_view::npos)
        return "it holds '=', which no host name does: user, password and dbname have parameters of their "
               "own";
    return std::nullopt;
}

std::optional<std::string> host_name_fault(std::string_view name) {
    if (is_ipv6(name)) return std::nullopt;
    if (auto fault = secret_fault(name)) return fault;
    if (name.find('/') != std::string_view::npos) return "it holds '/', which no host name does";
    if (name.find_first_of("[]:") != std::string_view::npos) return "it is no host name and no IP address";
    if (!std::all_of(name.begin(), name.end(), is_possible))
        return "it holds a character that is in no host name";
    return std::nullopt;
}

std::string canonical_host_name(std::string_view name) {
    std::string lower(name);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return lower;
}

void drop_useless_hosts(std::vector<std::string>& hosts, table::TableParameters& parameters,
                        const std::function<std::optional<std::string>(const std::string& host)>& fault) {
    std::vector<std::string> useful;
    std::vector<std::string> faults;
    for (const auto& host : hosts) {
        const auto why = fault(host);
        if (!why) {
            useful.push_back(host);
        } else {
            faults.push_back(fmt::format("{}: {}", parameters.full_name("hosts"), *why));
        }
    }
    for (const auto& text : faults) {
        if (useful.empty()) {
            parameters.error("hosts", text);
        } else {
            parameters.warning("hosts", text + " -- it is left out");
        }
    }
    if (!useful.empty()) hosts = std::move(useful);
}

}  // namespace proxyd::cluster
