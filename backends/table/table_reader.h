// Makes tables from their files.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/event/loop.h"
#include "backends/table/lookup.h"
#include "backends/table/query_runner.h"
#include "backends/table/sql_table.h"
#include "backends/table/table_parameters.h"

namespace proxyd::table {

struct TableSetOptions {
    bool utf8 = true;          // smtputf8_enable: names in domain lists fold by Unicode rules
    MainCfValue main_cf;       // for tables whose parameters are in main.cf; empty: there is none
    SettingsFor settings_for;  // the daemon's options, overridden by the table
    std::string chroot{};      // the chroot directory of the process, for messages; "": none
};

// A table as its file is now: a version that can be used, or all errors of the file.
struct Inspection {
    std::shared_ptr<SqlTable> table;  // null when it cannot be used
    std::vector<std::string> errors;  // each names file and line
    std::vector<std::string> warnings;
    std::vector<std::string> files;
    std::optional<TableParameters> parameters;  // with the problems by line; none for an unknown type
    std::vector<std::string> members;           // of a CompositeTable, which has nothing else
};

using TableBackends = std::map<std::string, std::unique_ptr<TableBackend>, std::less<>>;

// Whether the name is the path of a file. Other names are for parameters in main.cf.
[[nodiscard]] bool is_file_name(std::string_view name);

class TableReader {
  public:
    // `nested` and `has_room` are for the tables that are made. The loop outlives them.
    TableReader(Loop& loop, TableSetOptions options, NestedLookup nested, RoomForAnswer has_room);

    void add_backend(std::string type, std::unique_ptr<TableBackend> backend);
    [[nodiscard]] const TableBackends& backends() const { return backends_; }

    // For tables that are read from now on.
    void change(TableSetOptions options) { options_ = std::move(options); }

    // Reads the table "type:name" and what its file names. Cheap: never waits for a database.
    [[nodiscard]] Inspection read(const std::string& table_name) const;

  private:
    [[nodiscard]] TableParameters read_parameters(const std::string& name,
                                                  std::vector<std::string>& files) const;
    void make_table(const std::string& table_name, TableBackend& backend, TableParameters& parameters,
                    Inspection& inspection) const;

    Loop& loop_;
    TableSetOptions options_;
    NestedLookup nested_;
    RoomForAnswer has_room_;
    TableBackends backends_;
};

}  // namespace proxyd::table
