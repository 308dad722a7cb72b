#include "proxyd/daemon/flush_request.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "backends/report/log.h"

namespace proxyd {

using nlohmann::json;

json flush_answers(table::TableSet& tables, const Site& site, const json& request) {
    std::size_t flushed = 0;
    if (!request.contains("table")) {
        flushed = tables.flush();
        log().info(fmt::format("all kept answers are forgotten on request ({})", flushed));
        return {{"flushed", flushed}};
    }
    const auto table = request["table"].get<std::string>();
    if (!tables.is_open(table) && !site.approved.contains(table)) {
        throw std::runtime_error(fmt::format("{} is none of the tables that are served here", table));
    }
    const auto keys = request.value("keys", std::vector<std::string>());
    for (const auto& key : keys) flushed += tables.flush(table, key);
    if (keys.empty()) flushed = tables.flush(table, {});
    log().info(fmt::format("kept answers of {} are forgotten on request ({})", table, flushed));
    return {{"flushed", flushed}};
}

}  // namespace proxyd
