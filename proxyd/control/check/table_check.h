// The checks of the tables: their files, the files that these name, and their databases.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backends/event/event_loop.h"
#include "backends/event/resolver.h"
#include "backends/table/table_set.h"
#include "proxyd/control/check/checked_table.h"
#include "proxyd/control/check/daemon_user.h"
#include "proxyd/control/check/doubt.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/control/check/table_type_facts.h"
#include "proxyd/control/postfix/table_uses.h"

namespace proxyd::control {

// The facts about the daemon that matter to the tables.
struct TableReader {
    std::string group;      // of its user; "": not known
    std::string directory;  // where relative paths start; "": not known
};

class TableCheck {
  public:
    // `main_cf` has the parameters of tables without a file of their own. `main_cf_path` is its path, even if
    // it has not been read.
    TableCheck(table::TableSetOptions options, const config::ParameterFile& main_cf, std::string main_cf_path,
               TableReader reader, Findings& findings);

    // Whether proxyd itself serves the table.
    [[nodiscard]] bool serves(const std::string& name) const { return tables_.serves(name); }

    // Reads and checks a table that proxyd serves, and the tables in its `domain` list and its members.
    // `uses` are the places that ask for it.
    void read(const std::string& name, const std::vector<TableUse>& uses);

    // Asks the databases of all tables read so far to prepare their queries. Blocks for seconds at most.
    void connect();

    // Reports the doubts about the tables that connect() has not refuted.
    void tell_doubts();

    // Tables in the `domain` lists that proxyd does not serve itself: the stock server is asked for them.
    [[nodiscard]] const std::vector<TableUse>& domain_tables() const { return domain_tables_; }

    [[nodiscard]] std::size_t tables_read() const { return seen_.size(); }
    [[nodiscard]] std::size_t tables_answering() const { return answering_; }
    // For root: checks whether the daemon will be able to read the files of the tables read so far, the files
    // that they name, and `more_files`.
    void check_access(const DaemonUser& reader, const std::vector<std::string>& more_files);

    // Tables whose queries, as far as known, change nothing and accept any key. Tables in files come first.
    [[nodiscard]] std::vector<std::string> reading_tables() const;

    // Whether any table has a database to ask; otherwise connect() has nothing to do.
    [[nodiscard]] bool any_usable() const { return !usable_.empty(); }

  private:
    [[nodiscard]] const TableTypeFacts& type_of(std::string_view table) const;
    void add_backend(const std::string& type, std::unique_ptr<table::TableBackend> backend);
    void tell_of_name(const std::vector<TableUse>& uses, Gravity gravity, const std::string& text);
    [[nodiscard]] bool check_path(const std::string& name, const std::vector<TableUse>& uses);
    [[nodiscard]] int line_in_main_cf(const std::string& name, std::string_view message) const;
    void tell(const Doubt& doubt);
    void check_password(const std::string& name, const table::TableParameters& parameters);
    void check_domain_list(const std::string& name, const table::TableParameters& parameters);
    void check_database_file(CheckedTable& table);
    [[nodiscard]] std::string where(const table::TableParameters& parameters) const;

    const config::ParameterFile& main_cf_;
    std::string main_cf_path_;
    TableReader reader_;
    Findings& findings_;
    EventLoop loop_;
    Resolver resolver_;
    table::TableSet tables_;
    std::map<std::string, TableTypeFacts> types_;  // by name
    std::set<std::string> seen_;
    std::vector<CheckedTable> usable_;
    std::vector<TableUse> domain_tables_;
    std::size_t answering_ = 0;
};

// Whether connection text or a URI carries a password.
[[nodiscard]] bool holds_password(std::string_view text);

}  // namespace proxyd::control
