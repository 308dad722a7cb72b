// The options of the daemon that concern tables and pools; a table file may override them.
#pragma once

#include <chrono>
#include <functional>

#include "backends/table/table_parameters.h"

namespace proxyd::table {

struct TableSettings {
    int pool_size = 8;
    int pipeline_depth = 16;
    int queue_limit = 10000;
    bool prepared_statements = true;
    std::chrono::milliseconds connect_timeout{3000};
    std::chrono::milliseconds lookup_timeout{10000};
    std::chrono::milliseconds idle_interval{60000};
};

// The daemon's settings, changed by what the table's own parameters say; bad values become errors of the
// parameters.
using SettingsFor = std::function<TableSettings(TableParameters& parameters)>;

}  // namespace proxyd::table
