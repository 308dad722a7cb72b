// The checks of one table: its file, and whether its database takes the query.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backends/event/event_loop.h"
#include "backends/event/resolver.h"
#include "backends/table/table_set.h"
#include "proxyd/control/check/daemon_user.h"
#include "proxyd/control/check/doubt.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/control/check/table_type_facts.h"
#include "proxyd/control/postfix/table_uses.h"

namespace proxyd::control {

// The daemon, as far as it matters to the tables.
struct TableReader {
    std::string group;      // of its user; "": not known
    std::string directory;  // where relative paths start; "": not known
};

class TableCheck {
  public:
    // `main_cf` is where tables without a file of their own have their parameters; `main_cf_path` names it
    // also when it has not been read.
    TableCheck(table::TableSetOptions options, const config::ParameterFile& main_cf, std::string main_cf_path,
               TableReader reader, Findings& findings);

    // Whether proxyd itself serves the table.
    [[nodiscard]] bool serves(const std::string& name) const { return tables_.serves(name); }

    // Reads the table, which is one that is served. Tables that its `domain` list names are checked, too, and
    // those that it is made of. `uses` are the places that ask for it.
    void read(const std::string& name, const std::vector<TableUse>& uses);

    // Asks the databases of all tables read so far to prepare their queries. Waits, for seconds at most.
    void connect();

    // Tells what has been held against the tables and connect() has not refuted.
    void tell_doubts();

    // Those that the `domain` lists name and proxyd does not serve itself, so that the stock server is asked.
    [[nodiscard]] const std::vector<TableUse>& domain_tables() const { return domain_tables_; }

    [[nodiscard]] std::size_t tables_read() const { return seen_.size(); }
    [[nodiscard]] std::size_t tables_answering() const { return answering_; }
    // For root: whether the daemon will be able to read the files of the tables that have been read, those
    // that they name, and `more_files`.
    void check_access(const DaemonUser& reader, const std::vector<std::string>& more_files);

    // Those whose queries change nothing and take any key, as far as one can see; those of files come first.
    [[nodiscard]] std::vector<std::string> reading_tables() const;

    // Whether a table names a database; else connect() has nothing to do.
    [[nodiscard]] bool any_usable() const { return !usable_.empty(); }

  private:
    struct Usable {
        std::string name;
        std::string where;
        std::shared_ptr<table::SqlTable> table;
        std::vector<std::string> files;  // that it is read from
        std::string database_file;       // where it is one, and certain which; or empty
        bool can_answer = true;          // false: it has been said why its database cannot be opened
        table::TableParameters parameters;
        std::vector<Doubt> doubts;
    };

    [[nodiscard]] const TableTypeFacts& type_of(std::string_view table) const;
    void add_backend(const std::string& type, std::unique_ptr<table::TableBackend> backend);
    void tell_of_name(const std::vector<TableUse>& uses, Gravity gravity, const std::string& text);
    [[nodiscard]] bool check_path(const std::string& name, const std::vector<TableUse>& uses);
    void tell_trial(Usable& usable, const table::Trial& trial);
    void tell_failure(const Usable& usable, const pool::Failure& failure);
    [[nodiscard]] int line_in_main_cf(const std::string& name, std::string_view message) const;
    [[nodiscard]] int line_of(const Usable& usable, std::string_view parameter) const;
    [[nodiscard]] int line_of(const std::string& name, const table::TableParameters& parameters,
                              std::string_view parameter) const;
    void tell(const Doubt& doubt);
    static void settle_doubts(Usable& usable, bool tried);
    void check_password(const std::string& name, const table::TableParameters& parameters);
    void check_domain_list(const std::string& name, const table::TableParameters& parameters);
    void check_database_file(Usable& usable, const table::TableParameters& parameters,
                             const std::string& parameter);
    [[nodiscard]] std::string where(const table::TableParameters& parameters) const;

    const config::ParameterFile& main_cf_;
    std::string main_cf_path_;
    TableReader reader_;
    Findings& findings_;
    EventLoop loop_;
    Resolver resolver_;
    table::TableSet tables_;
    std::map<std::string, TableTypeFacts, std::less<>> types_;  // by name
    std::set<std::string> seen_;
    std::vector<Usable> usable_;
    std::vector<TableUse> domain_tables_;
    std::size_t answering_ = 0;
};

// Whether connection text or a URI carries a password.
[[nodiscard]] bool holds_password(std::string_view text);

}  // namespace proxyd::control
