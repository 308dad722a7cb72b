// The places where main.cf and master.cf ask for tables with proxy:.
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
    bool certain = true;     // false: the site's own parameter, perhaps unused
    std::string asked_by{};  // the restriction before the table: check_sender_access; or empty
    bool asks_keys = true;   // false: it gets another table's answers, as in a pipemap
};

// proxy_read_maps and proxy_write_maps do not count: they approve tables and do not ask for them. Parameters
// whose `$` expressions are broken are left out.
[[nodiscard]] std::vector<TableUse> find_table_uses(const postfix::MainCf& main_cf,
                                                    const config::ParameterFile& file,
                                                    const std::string& master_cf_path,
                                                    const std::vector<MasterService>& services);

// The same for tables of the types in `types` without proxy:, so that each process asks the database itself.
// Only parameters that are certainly in use count.
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

// The reason why no server can serve the table: neither proxyd nor `stock_types` has its type, or its file
// does not exist; "" when neither is certain. Empty `stock_types` are unknown.
[[nodiscard]] std::string fault_of_table(std::string_view table, const std::vector<std::string>& stock_types);

// The place of -o proxy_read_maps in the proxymap entry of master.cf, as "/etc/postfix/master.cf:64"; "" when
// main.cf has the list.
[[nodiscard]] std::string place_of_read_maps(const std::string& config_directory, std::string_view master_cf);

// How to add a table to proxy_read_maps: at `option_place`, or if that is "", with a command that writes the
// whole list with the table appended.
[[nodiscard]] std::string how_to_approve(const std::string& config_directory, const std::string& option_place,
                                         std::string_view table);

}  // namespace proxyd::control
