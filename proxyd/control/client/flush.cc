#include "proxyd/control/client/flush.h"

#include <ostream>

#include <fmt/format.h>

#include "protocol/table_name.h"
#include "proxyd/channel/client.h"
#include "proxyd/channel/path.h"
#include "proxyd/control/client/query.h"

namespace proxyd::control {
namespace {

nlohmann::json ask(const std::string& path, const std::string& hint, const nlohmann::json& request) {
    try {
        return channel::ask(path, request);
    } catch (const channel::AskError& error) {
        if (error.fault() != channel::AskFault::nobody) throw;
        throw channel::AskError(fmt::format("{}. {}", error.what(), hint), error.fault());
    }
}

}  // namespace

int flush(const std::string& socket, const std::string& socket_hint, const std::string& table,
          const std::vector<std::string>& keys, std::ostream& out) {
    nlohmann::json request = {{"command", "flush"}};
    if (!table.empty()) request["table"] = protocol::TableName::parse(table).text;
    if (!keys.empty()) request["keys"] = keys;
    const auto reply = ask(channel::path_beside(socket), socket_hint, request);
    const auto flushed = reply.value("flushed", 0LL);
    out << fmt::format("{} answer{} forgotten{}\n", flushed, flushed == 1 ? "" : "s",
                       flushed > 0     ? ""
                       : table.empty() ? ": none are kept"
                       : keys.empty()
                           ? fmt::format(": none are kept for {}", protocol::TableName::parse(table).text)
                           : ": none are kept for these keys");
    if (const auto unanswered = reply.value("unanswered", 0LL); unanswered > 0) {
        out << fmt::format("{} not answered yet: forgotten there before the next lookup\n",
                           unanswered == 1 ? "one worker has" : fmt::format("{} workers have", unanswered));
    }
    return 0;
}

}  // namespace proxyd::control
