// The daemon's options for tables and pools; a table file may override them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include "backends/table/table_parameters.h"

namespace proxyd::table {

// The cache of answers. A time of zero switches its kind off; if all are zero, no answer is kept.
struct CacheSettings {
    std::chrono::milliseconds cache_ttl{0};           // how long a found answer may be given again
    std::chrono::milliseconds cache_negative_ttl{0};  // how long "not found" may be given again
    std::chrono::milliseconds stale_ttl{0};           // how old an answer may be while no host answers
    int cache_size = 10000;                           // answers of one table

    [[nodiscard]] bool keeps_answers() const {
        const std::chrono::milliseconds none{0};
        return cache_ttl > none || cache_negative_ttl > none || stale_ttl > none;
    }
};

// The one declaration of these options, with their defaults: the options of proxyd.cf begin with them.
struct TableSettings : CacheSettings {
    int pool_size = 8;
    int pipeline_depth = 16;
    int queue_limit = 10000;
    bool prepared_statements = true;
    std::size_t answer_size_limit = std::size_t{16} << 20;  // as pool::answer_size() counts, in bytes
    std::chrono::milliseconds connect_timeout{3000};
    std::chrono::milliseconds lookup_timeout{10000};
    std::chrono::milliseconds idle_interval{60000};
    std::chrono::milliseconds connection_lifetime{3600000};  // 0: no limit
};

// The daemon's settings, changed by the table's own parameters; bad values become errors of the parameters.
using SettingsFor = std::function<TableSettings(TableParameters& parameters)>;

}  // namespace proxyd::table
