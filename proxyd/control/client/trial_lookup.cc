#include "proxyd/control/client/trial_lookup.h"

#include <optional>
#include <sstream>

#include <fmt/format.h>

#include "proxyd/control/client/query.h"

namespace proxyd::control {
namespace {

// A test address: no mailbox has it.
constexpr const char* proof_key = "proxyctl@proxyd.invalid";

// Returns the result of a lookup in the table, as text; throws QueryError when it failed.
std::string look_up(ProxymapConnection& connection, const std::string& table, protocol::Layout layout) {
    QuerySettings settings;
    settings.layout = layout;
    settings.table = table;
    settings.approval_hint = "Is it in proxy_read_maps?";
    settings.log_hint = "The mail log says why";
    std::ostringstream value;
    const Ask ask = [&connection](const protocol::Request& request) { return connection.ask(request); };
    const int status = query(settings, {proof_key}, ask, value, value);
    return fmt::format("a lookup in {} {}", table,
                       status == 0 ? "found the test address" : "did not find the test address, as expected");
}

}  // namespace

std::string look_up(ProxymapConnection& connection, const std::vector<std::string>& tables,
                    protocol::Layout layout) {
    if (tables.empty()) return "there is no table to ask for";
    std::optional<QueryError> first;
    for (const auto& table : tables) {
        try {
            return look_up(connection, table, layout);
        } catch (const QueryError& error) {
            if (!first) first = error;
            if (!connection.is_open()) break;
        }
    }
    throw QueryError(*first);
}

}  // namespace proxyd::control
