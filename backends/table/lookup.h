// One lookup in a table, whatever kind of table it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backends/event/callback.h"
#include "backends/event/clock.h"
#include "backends/pool/failure.h"
#include "protocol/message.h"

namespace proxyd::table {

// Who gave the result of a lookup.
enum class Source : std::uint8_t {
    table,     // the table itself, without a query: its rules exclude the key, or it cannot be used
    database,  // an answer to a query, or the failure of the query
    memory,    // a kept answer (cache_ttl, cache_negative_ttl)
    stale,     // a kept answer past its time, as no database answered (stale_ttl)
    relay,     // the stock server
};

struct LookupResult {
    protocol::Status status = protocol::Status::retry;
    std::string value;  // only with Status::ok
    Source source = Source::table;
    std::optional<pool::FailureClass> failure{};  // why the database gave no answer
};
using LookupCallback = Callback<void(LookupResult&&)>;

// The operations on the key that the request's flags ask for.
struct KeyRules {
    bool utf8 = false;  // this side checks key and value, and folds by Unicode rules
    bool fold = false;
    bool fold_in_members = false;  // of unionmap and pipemap tables
};

// Looks a domain up in another table, for `domain` lists. Calls back exactly once.
using NestedLookup = std::function<void(const std::string& table, std::string_view key, Deadline deadline,
                                        LookupCallback callback)>;

// Whether an answer of so many bytes may be made now. If not, it logs the reason.
using RoomForAnswer = std::function<bool(std::size_t bytes)>;

}  // namespace proxyd::table
