// The checks of the table names in main.cf and master.cf, before any table is read.
#pragma once

#include <string>
#include <vector>

#include "proxyd/control/check/finding.h"
#include "proxyd/control/check/service_check.h"
#include "proxyd/control/postfix/table_uses.h"

namespace proxyd::control {

// Reports proxy:/path, which Postfix programs read as a type without a name.
void check_missing_types(const PostfixFiles& files, Findings& findings);

// Notes tables that proxyd could serve, but is not asked for.
void note_direct_uses(const PostfixFiles& files, Findings& findings);

// The working directory of the daemon under Postfix; "" when main.cf does not tell it.
[[nodiscard]] std::string working_directory(const postfix::MainCf& main_cf);

// The table as the daemon finds it from its working directory: "sqlite:/queue/./x.cf" for "sqlite:./x.cf".
// All other names stay as they are; without `directory` all names do.
[[nodiscard]] std::string seen_from(const std::string& directory, const std::string& table);

// Adds one finding for each place that asks for the table. Without any place, adds one at `otherwise`.
void tell_at_uses(const std::vector<TableUse>& uses, const TableUse& otherwise, Gravity gravity,
                  const std::string& text, Findings& findings);

}  // namespace proxyd::control
