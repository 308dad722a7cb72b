// The options of the daemon that concern tables and pools; a table file may override them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include "backends/table/table_parameters.h"

namespace proxyd::table {

// Answers from memory. A time of zero switches its kind off; with all at zero nothing is kept.
struct CacheSettings {
    std::chrono::milliseconds ttl{0};           // how long one that was found may be given again
    std::chrono::milliseconds negative_ttl{0};  // the same of "not found"
    std::chrono::milliseconds stale_ttl{0};     // how old an answer may be while no host answers
    int size = 10000;                           // answers of one table

    [[nodiscard]] bool on() const {
        const std::chrono::milliseconds none{0};
        return ttl > none || negative_ttl > none || stale_ttl > none;
    }
};

struct TableSettings {
    int pool_size = 8;
    int pipeline_depth = 16;
    int queue_limit = 10000;
    bool prepared_statements = true;
    std::size_t answer_size_limit = std::size_t{16} << 20;  // as pool::answer_size() counts
    std::chrono::milliseconds connect_timeout{3000};
    std::chrono::milliseconds lookup_timeout{10000};
    std::chrono::milliseconds idle_interval{60000};
    std::chrono::milliseconds connection_lifetime{3600000};  // 0: no limit
    CacheSettings cache;
};

// The daemon's settings, changed by what the table's own parameters say; bad values become errors of the
// parameters.
using SettingsFor = std::function<TableSettings(TableParameters& parameters)>;

}  // namespace proxyd::table
