// Finds names that cannot be host names, so that name servers are not asked: they would only learn the text.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/table/table_parameters.h"

namespace proxyd::cluster {

// The part of host_name_fault() about user:password@host and password=..., for an item whose port has not
// been split off yet.
[[nodiscard]] std::optional<std::string> secret_fault(std::string_view item);

// Why a name that would have to be resolved cannot be a host name, "it holds '@' ..."; no value: it can be
// one. The reason does not quote the name, which may be a password.
[[nodiscard]] std::optional<std::string> host_name_fault(std::string_view name);

// A host name in the spelling that its other spellings share: names of hosts have no case.
[[nodiscard]] std::string canonical_host_name(std::string_view name);

// Removes useless items from `hosts`: the others serve, as with the stock server. Each removed item adds a
// warning to the parameters; when no item is left, it is an error instead, and all are kept. `fault` says why
// an item is useless (the host as it may be shown, and the right form); no value: it is useful.
void drop_useless_hosts(std::vector<std::string>& hosts, table::TableParameters& parameters,
                        const std::function<std::optional<std::string>(const std::string& host)>& fault);

}  // namespace proxyd::cluster
