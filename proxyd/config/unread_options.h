// Options of the command line or master.cf (-o) that have no effect, because their names are unknown.
#pragma once

#include <string>
#include <vector>

#include "proxyd/postfix/approved_tables.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd {

// Returns one text for each. Known names are proxyd's options and, with a `main_cf`, Postfix's parameters,
// parameters that another value refers to, and parameters of tables in main.cf (pgsql:name: name_query and
// others). The texts do not contain the values, which may be passwords.
[[nodiscard]] std::vector<std::string> unread_options(const postfix::Overrides& overrides,
                                                      const postfix::MainCf* main_cf,
                                                      const postfix::ApprovedTables& approved);

}  // namespace proxyd
