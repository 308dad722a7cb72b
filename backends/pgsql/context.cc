#include "backends/pgsql/context.h"

#include <fmt/format.h>

#include "backends/report/log.h"

namespace proxyd::pgsql {

void Context::pooler_noticed(const std::string& why) {
    if (behind_pooler_) return;
    behind_pooler_ = true;
    log().info(without_secrets(
        fmt::format("database {}: {}: there seems to be a pooler in between, so statements are not prepared "
                    "and the server gets no statement_timeout",
                    cluster().dbname, why)));
}

}  // namespace proxyd::pgsql
