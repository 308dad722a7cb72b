// Changes to the text of master.cf that enable and disable proxyd.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxyd/control/postfix/master_cf.h"

namespace proxyd::control {

// Applies `postconf -M -e ENTRY...` to a text and returns the new one. Throws std::runtime_error.
using EditEntries =
    std::function<std::string(const std::string& master_cf, const std::vector<std::string>& entries)>;

// The command of an entry for the stock server under the name `stock_name`, with those -o options of
// `service` that it knows: "proxymap -n proxymap -o name=value".
[[nodiscard]] std::string stock_command(const MasterService& service, std::string_view stock_name);

// The entries that `postconf -M -e` has to set so that proxyd answers proxymap's clients with the options of
// the present entry, and so that the stock server runs as `relay_service`; none when both are in place. A
// `relay_service` that is no service name ("", a path) needs no entry.
[[nodiscard]] std::vector<std::string> entries_for_proxyd(const std::string& master_cf,
                                                          const std::string& relay_service);

// The columns of the present entry that `entries_for_proxyd` changes, and the reasons, in one line; "" when
// none.
[[nodiscard]] std::string changed_columns(const std::string& master_cf);

// The entries that bring the stock server back, also for proxywrite, when the entries from before are not
// known. `set` is empty when no entry runs proxyd.
struct StockEntries {
    std::vector<std::string> set;     // for `postconf -M -e`
    std::vector<std::string> remove;  // keys of the entries that are no longer needed
};
[[nodiscard]] StockEntries entries_for_stock(const std::string& master_cf,
                                             const std::vector<std::string>& relay_services);

// `current`, with each entry that differs between `before` and `with` restored to its text in `before`. All
// other text stays, such as later changes by hand. Equal to `before` when `current` is `with`.
[[nodiscard]] std::string entries_restored(const std::string& current, const std::string& before,
                                           const std::string& with);

// `master_cf` without one entry, given as "name/type"; comments between its lines stay.
[[nodiscard]] std::string without_entry(const std::string& master_cf, std::string_view key);

}  // namespace proxyd::control
