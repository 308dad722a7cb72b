#include "proxyd/control/flush.h"

#include <ostream>

#include <fmt/format.h>

#include "proxyd/channel/client.h"
#include "proxyd/channel/path.h"
#include "proxyd/control/query.h"

namespace proxyd::control {

int flush(const std::string& socket, const std::string& table, const std::vector<std::string>& keys,
          std::ostream& out) {
    nlohmann::json request = {{"command", "flush"}};
    if (!table.empty()) request["table"] = without_proxy(table);
    if (!keys.empty()) request["keys"] = keys;
    const auto reply = channel::ask(channel::path_beside(socket), request);
    const auto flushed = reply.value("flushed", 0LL);
    out << fmt::format("{} answer{} forgotten\n", flushed, flushed == 1 ? "" : "s");
    return 0;
}

}  // namespace proxyd::control
