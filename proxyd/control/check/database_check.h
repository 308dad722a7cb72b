// The check of the tables with their databases: whether each database accepts the connection and the query.
#pragma once

#include <cstddef>
#include <vector>

#include "backends/event/event_loop.h"
#include "backends/table/query_trial.h"
#include "proxyd/control/check/checked_table.h"
#include "proxyd/control/check/finding.h"

namespace proxyd::control {

// Asks the databases of all tables that can answer to prepare their queries, and judges each trial. Blocks
// for seconds at most. Returns the number of tables that answer.
[[nodiscard]] std::size_t check_databases(std::vector<CheckedTable>& tables, EventLoop& loop,
                                          Findings& findings);

// Reports what the trial says of the table. Drops or weakens the doubts that the database has refuted.
// Returns whether the table answers.
[[nodiscard]] bool judge_trial(CheckedTable& table, const table::Trial& trial, Findings& findings);

}  // namespace proxyd::control
