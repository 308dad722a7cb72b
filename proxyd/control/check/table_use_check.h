// The check of the tables that Postfix's parameters and `domain` lists ask for, before any table is read:
// whether they are approved, whether a server knows their types, and whether the stock server is there for
// those that proxyd does not serve itself.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxyd/config/site.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/control/check/options_check.h"
#include "proxyd/control/check/postfix_config.h"
#include "proxyd/control/postfix/config_location.h"
#include "proxyd/control/postfix/table_uses.h"

namespace proxyd::control {

// The places that ask for each table.
using UsesByTable = std::map<std::string, std::vector<TableUse>>;

[[nodiscard]] UsesByTable by_table(std::vector<TableUse> uses);

class TableUseCheck {
  public:
    // The configuration that asks for the tables. The references outlive the check.
    struct Context {
        const ConfigLocation& place;
        const PostfixConfig& postfix;
        const Site& site;                          // as the daemon reads it
        std::optional<OptionPlace> relay_service;  // where it is set
        std::vector<std::string> stock_types;      // of the stock server's tables; empty: not known
    };

    TableUseCheck(Context context, Findings& findings);

    // For a daemon that belongs to Postfix: checks the places in main.cf and master.cf that ask for tables.
    void check_uses(const UsesByTable& uses);
    // Checks tables of `domain` lists that the stock server is asked for. It checks proxy_read_maps itself.
    void check_domain_tables(UsesByTable uses);
    // For an approved table that proxyd does not serve itself: checks that the stock server can be asked.
    void check_relay(const std::string& table, const std::vector<TableUse>& uses);

  private:
    void check_approval(const UsesByTable& uses);
    void check_types(const UsesByTable& uses);
    void check_relay_alone(const std::string& table, const std::vector<TableUse>& uses);
    void check_relay_entry(const std::string& table, const std::vector<TableUse>& uses);
    [[nodiscard]] bool has_service(const std::string& name) const;

    Context context_;
    Findings& findings_;
    std::set<std::string> unknown_;  // tables of an unknown type: reported already
};

}  // namespace proxyd::control
