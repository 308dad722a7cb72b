// All tables that have been requested, by name; opened at first use, and kept up to date with their files.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/event/loop.h"
#include "backends/table/answer_cache.h"
#include "backends/table/query_runner.h"
#include "backends/table/table.h"
#include "backends/table/table_reader.h"
#include "backends/table/watched_table.h"

namespace proxyd::table {

// The cache of a table; the counts begin with this version of the table.
struct CacheReport {
    std::string name;
    CacheStats stats;
};

// A table whose newest version is wrong.
struct TableTrouble {
    std::string name;
    std::string problem;
    bool available = false;  // an older version is in force
};

// An error of one table does not affect another.
class TableSet {
  public:
    TableSet(Loop& loop, TableSetOptions options);
    ~TableSet();
    TableSet(const TableSet&) = delete;
    TableSet& operator=(const TableSet&) = delete;

    void add_backend(std::string type, std::unique_ptr<TableBackend> backend);

    // Sets the lookup of domains in tables of other types, for domain lists. Without it such lookups fail.
    void ask_elsewhere(NestedLookup lookup) { elsewhere_ = std::move(lookup); }

    // Sets the check whether a long answer can be held beside those on their way to clients. Without room a
    // lookup gets retry before its answer is made. Without a check there always is room.
    void ask_for_room(RoomForAnswer has_room) { *has_room_ = std::move(has_room); }

    // Whether tables of this name's type can be looked up here. For a CompositeTable all of its members must
    // be.
    [[nodiscard]] bool serves(std::string_view name) const;

    // The table of this name; null when it cannot be looked up here. The set owns it and keeps it to the end,
    // so names that clients make up must not get here. Reads nothing yet.
    [[nodiscard]] Table* find(std::string_view name);

    // Opens the table, which must be served here.
    void open(std::string_view name);

    // Calls back exactly once, at the deadline at the latest, possibly before lookup() returns. The deadline
    // is the table's lookup_timeout from now. The result for a table that is not served here is retry.
    void lookup(std::string_view name, std::string_view key, KeyRules rules, LookupCallback callback);
    void lookup(Table& table, std::string_view key, KeyRules rules, LookupCallback&& callback) const;

    // Reads a table as open() does, but does not keep it. For `proxyctl check`: errors and warnings are in
    // `parameters`.
    using Inspection = table::Inspection;
    [[nodiscard]] Inspection inspect(const std::string& name) const;

    // The databases of all types that are in use.
    [[nodiscard]] std::vector<DatabaseReport> databases() const;

    // The caches of the tables in use.
    [[nodiscard]] std::vector<CacheReport> caches() const;

    // The troubles of the tables in use. Checks their files first, as a lookup does.
    [[nodiscard]] std::vector<TableTrouble> troubles();

    // Forget the answers of all tables, or of one table, or of one key. For a CompositeTable all answers of
    // its members are forgotten. Return the number of forgotten answers.
    std::size_t flush();
    std::size_t flush(std::string_view name, std::optional<std::string_view> key);

    // Whether the table, or a member of it, has been requested.
    [[nodiscard]] bool is_open(std::string_view name) const;

    // The process is about to end: only operations under way are finished.
    void wind_down();

    // Applies changed options: all tables are read again at their next use.
    void reload(TableSetOptions options);

  private:
    void lookup_domain(const std::string& table, std::string_view key, Deadline deadline,
                       LookupCallback callback);

    Loop& loop_;
    bool utf8_;
    NestedLookup elsewhere_;
    // Lookups under way outlive the set.
    std::shared_ptr<RoomForAnswer> has_room_ = std::make_shared<RoomForAnswer>();
    TableReader reader_;
    std::map<std::string, std::unique_ptr<WatchedTable>, std::less<>> tables_;
    std::map<std::string, std::unique_ptr<Table>, std::less<>> composites_;
};

}  // namespace proxyd::table
