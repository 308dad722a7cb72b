// Where main.cf and master.cf ask for tables by way of proxy:.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/config/parameter_file.h"
#include "proxyd/control/postfix/master_cf.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd::control {

struct TableUse {
    std::string table;       // type:name, without proxy:
    std::string parameter;   // smtpd_data_restrictions
    std::string file;        // main.cf or master.cf, with path
    int line = 0;            // 0: the parameter has its built-in value
    bool certain = true;     // false: a parameter of the site's own, which perhaps nobody reads
    std::string asked_by{};  // the restriction that has the table behind it: check_sender_access; or empty
    bool asks_keys = true;   // false: it gets another table's answers, as in a pipemap
};

// proxy_read_maps and proxy_write_maps do not count: they allow tables, they do not ask for them. Parameters
// whose `$` expressions are broken are left out.
[[nodiscard]] std::vector<TableUse> find_table_uses(const postfix::MainCf& main_cf,
                                                    const config::ParameterFile& file,
                                                    const std::string& master_cf_path,
                                                    const std::vector<MasterService>& services);

// The same for tables of the types in `types` that stand there without proxy:, so that each process asks the
// database itself. Only where it is certain that someone reads the parameter.
[[nodiscard]] std::vector<TableUse> find_direct_uses(const postfix::MainCf& main_cf,
                                                     const config::ParameterFile& file,
                                                     const std::string& master_cf_path,
                                                     const std::vector<MasterService>& services,
                                                     const std::vector<std::string_view>& types);

// The same for proxy:/path, without a type; `table` is the path.
[[nodiscard]] std::vector<TableUse> find_typeless_uses(const postfix::MainCf& main_cf,
                                                       const config::ParameterFile& file,
                                                       const std::string& master_cf_path,
                                                       const std::vector<MasterService>& services);

// Why nobody can serve the table: its type is none of proxyd's and of `stock_types`, or its file does not
// exist; "" when neither is certain. No `stock_types`: they are not known.
[[nodiscard]] std::string fault_of_table(std::string_view table, const std::vector<std::string>& stock_types);

// Where the proxymap entry of master.cf has -o proxy_read_maps, as "/etc/postfix/master.cf:64"; "" when it
// leaves the list to main.cf.
[[nodiscard]] std::string place_of_read_maps(const std::string& config_directory, std::string_view master_cf);

// How a table gets into proxy_read_maps: in that place, or without one by a command that appends it to the
// list, which has to be written out for that.
[[nodiscard]] std::string how_to_approve(const std::string& config_directory, const std::string& option_place,
                                         std::string_view table);

}  // namespace proxyd::control
