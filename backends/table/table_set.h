// All tables that have been requested, by name; opened at first use, and kept up to date with their files.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/event/loop.h"
#include "backends/table/file_stamp.h"
#include "backends/table/query_runner.h"
#include "backends/table/sql_table.h"

namespace proxyd::table {

struct TableSetOptions {
    bool utf8 = true;          // smtputf8_enable: names in domain lists fold by Unicode rules
    MainCfValue main_cf;       // for tables whose parameters are in main.cf; empty: there is none
    SettingsFor settings_for;  // the daemon's options, overridden by the table
    std::string chroot{};      // the chroot directory of the process, for messages; "": none
};

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

// A table that cannot be used answers retry and logs the reason; it is tried again when its files change. A
// table whose new file is wrong keeps its old version. An error of one table does not affect another.
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

    // Opens the table if it is new. Cheap: reads its file, never waits for a database.
    void open(std::string_view name);

    // Calls back exactly once, at the deadline at the latest, possibly before lookup() returns. The deadline
    // is the table's lookup_timeout from now.
    void lookup(std::string_view name, std::string_view key, KeyRules rules, LookupCallback callback);

    // Reads a table as open() does, but does not keep it. For `proxyctl check`: errors and warnings are in
    // `parameters`.
    struct Inspection {
        std::shared_ptr<SqlTable> table;  // null when it cannot be used
        std::vector<std::string> errors;  // each names file and line
        std::vector<std::string> warnings;
        std::vector<std::string> files;
        std::optional<TableParameters> parameters;  // with the problems by line; none for an unknown type
        std::vector<std::string> members;           // of a CompositeTable, which has nothing else
    };
    [[nodiscard]] Inspection inspect(const std::string& name);

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
    struct Entry {
        std::string name;
        std::shared_ptr<SqlTable> table;  // the version in force; null: there never was a correct one
        std::string problem;              // of the newest version, if it is not in force
        FileStamps loaded;                // stamps when the newest version was read
        FileStamps seen;                  // stamps at the last check
        TimePoint looked_at{};
        TimePoint tried_at{};
        bool stale = false;  // to be read again, whatever the stamps are
        int versions = 0;    // number of versions that came into force

        // The topic for the log: messages from before the last good version do not hide those about the next
        // one.
        [[nodiscard]] std::string topic() const;
        // The effect of the problem, for the log: the old version goes on, or there is no table.
        [[nodiscard]] std::string trouble() const;
    };

    Entry& entry(std::string_view name);
    void load(Entry& entry);
    void look_for_changes(Entry& entry);
    void lookup_until(Entry& entry, std::string_view key, KeyRules rules, Deadline deadline,
                      LookupCallback callback);
    void lookup_any(std::string_view name, std::string_view key, KeyRules rules, Deadline deadline,
                    LookupCallback callback);
    void unavailable(const Entry& entry, const LookupCallback& callback) const;
    [[nodiscard]] std::chrono::milliseconds timeout_of(std::string_view name);
    [[nodiscard]] TableParameters read_parameters(const std::string& name, std::vector<std::string>& files);

    Loop& loop_;
    TableSetOptions options_;
    NestedLookup elsewhere_;
    // Lookups under way outlive the set.
    std::shared_ptr<RoomForAnswer> has_room_ = std::make_shared<RoomForAnswer>();
    std::map<std::string, std::unique_ptr<TableBackend>, std::less<>> backends_;
    std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
};

}  // namespace proxyd::table
