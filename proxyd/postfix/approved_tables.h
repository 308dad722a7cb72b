// The tables that this service may serve: the proxy: entries of proxy_read_maps or proxy_write_maps
// (proxymap(8)).
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxyd/postfix/main_cf.h"
#include "proxyd/postfix/version.h"

namespace proxyd::postfix {

enum class Access { read, write };  // proxymap, proxywrite

// The differences between releases of Postfix in finding table names in a value. Approvals beyond those of
// the installed release would let clients read more.
struct TokenRules {
    bool braces = false;       // {table, attributes}: the first word inside counts. 3.5.0
    bool nested_maps = false;  // unionmap:{...} and pipemap:{...} are searched. 3.4.29, 3.5.14, 3.6.4, 3.7.0
    bool files = false;        // /path is read. 3.11.0
    bool plain_names = false;  // a word must begin with a letter or digit and have a ':'. 3.11.0
    bool restriction_classes = false;  // smtpd_restriction_classes count for reading. 3.11.0
};
[[nodiscard]] TokenRules token_rules(const Version& version);

// Returns the bytes of a file, or no value and the reason in `error`.
using FileReader = std::function<std::optional<std::string>(const std::string& path, std::string& error)>;

class ApprovedTables {
  public:
    // Takes the tables from the effective parameters. A part of the value whose `$` expression is broken is
    // left out with a warning.
    [[nodiscard]] static ApprovedTables from_main_cf(const MainCf& main_cf, Access access,
                                                     const FileReader& reader);
    // Takes the tables from one expanded value.
    [[nodiscard]] static ApprovedTables from_value(std::string_view value, const TokenRules& rules,
                                                   const FileReader& reader);
    // Takes exactly these tables, with or without proxy: in front.
    [[nodiscard]] static ApprovedTables from_names(const std::vector<std::string>& names);

    // `table` is "type:name" without proxy: in front; compared byte for byte.
    [[nodiscard]] bool contains(std::string_view table) const { return tables_.contains(table); }

    [[nodiscard]] const std::set<std::string, std::less<>>& tables() const { return tables_; }
    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  private:
    friend class TableCollector;

    std::set<std::string, std::less<>> tables_;
    std::vector<std::string> warnings_;
};

}  // namespace proxyd::postfix
