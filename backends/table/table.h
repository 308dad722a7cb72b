// A table that can be asked: an SQL table, or a CompositeTable.
#pragma once

#include <chrono>
#include <string_view>

#include "backends/table/lookup.h"

namespace proxyd::table {

// Found once by its name, in TableSet::find(), and then asked without another search. The set owns it; it
// lives as long as the set and follows the changes of its files.
class Table {
  public:
    Table() = default;
    virtual ~Table() = default;
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    // Reads its files if they are new or have changed. Cheap: never waits for a database.
    virtual void open() = 0;

    // The lookup_timeout of the version in force; for a CompositeTable the longest of its members. 0: there
    // is no version in force. Opens the table.
    [[nodiscard]] virtual std::chrono::milliseconds timeout() = 0;

    // Calls back exactly once, at the deadline at the latest, possibly before lookup() returns. Opens the
    // table.
    virtual void lookup(std::string_view key, KeyRules rules, Deadline deadline,
                        LookupCallback&& callback) = 0;
};

}  // namespace proxyd::table
