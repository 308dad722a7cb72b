// Lookups in a CompositeTable: one result from those of its members.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "backends/event/clock.h"
#include "backends/table/composite_table.h"
#include "backends/table/sql_table.h"

namespace proxyd::table {

// Looks a key up in a member. Calls back exactly once.
using MemberLookup = std::function<void(const std::string& member, std::string_view key, KeyRules rules,
                                        Deadline deadline, LookupCallback callback)>;

// Calls back exactly once. An error of a queried member is the error of the whole lookup. As in the stock
// server, the members fold keys by their own rules, not by those of the request.
void lookup_list(const std::string& name, const CompositeTable& list, const MemberLookup& ask,
                 std::string_view key, KeyRules rules, Deadline deadline, LookupCallback callback);

}  // namespace proxyd::table
