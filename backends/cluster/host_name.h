// What can be no host name, so that name servers need not be asked: they would only see what it is.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/table/table_parameters.h"

namespace proxyd::cluster {

// The part of it that is about user:password@host and password=...: for an item of which it is not known yet
// where its port begins.
[[nodiscard]] std::string secret_fault(std::string_view item);

// Why a name that would have to be resolved can be no host name, "it holds '@' ..."; "" when it may be one.
// The reason does not quote the name, which may be a password.
[[nodiscard]] std::string host_name_fault(std::string_view name);

// Leaves those items of `hosts` out that can be of no use: as with the stock server the others serve. Each
// has a warning of the parameters; when no item is left, an error instead, and all are kept. `fault` says why
// an item is of no use (the host as it may be shown, and what would be right), "" when it is of use.
void drop_useless_hosts(std::vector<std::string>& hosts, table::TableParameters& parameters,
                        const std::function<std::string(const std::string& host)>& fault);

}  // namespace proxyd::cluster
