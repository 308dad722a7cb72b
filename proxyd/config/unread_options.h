// Options of the command line or master.cf (-o) that change nothing, as nobody knows their names.
#pragma once

#include <string>
#include <vector>

#include "proxyd/postfix/approved_tables.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd {

// One text for each. Known are the names of proxyd's options, and, with a `main_cf`, Postfix's parameters,
// those that another value reads, and those of tables in main.cf (pgsql:name: name_query and others). The
// values, which may be passwords, are not in the texts.
[[nodiscard]] std::vector<std::string> unread_options(const postfix::Overrides& overrides,
                                                      const postfix::MainCf* main_cf,
                                                      const postfix::ApprovedTables& approved);

}  // namespace proxyd
