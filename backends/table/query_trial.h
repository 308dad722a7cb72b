// Checks without a lookup whether a database accepts a table's query. A server may refuse a trial but answer
// lookups: an error counts only if a lookup would meet it, too.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backends/pool/query.h"
#include "backends/sql/analysis.h"
#include "backends/sql/template.h"

namespace proxyd::table {

struct Trial {
    std::optional<pool::Failure> failure;  // the failure that lookups will meet
    std::string not_tried;  // why the query was not tried, but only a connection made; "": it was tried
};
using TrialCallback = std::function<void(const Trial&)>;

struct TrialPlan {
    // The query, in a form that the server checks without running it. With a key in the text there are two,
    // with different keys: an error that both have in common is not caused by a key. Empty: only a connection
    // is made.
    std::vector<std::string> texts;
    std::string control;        // a query in the same form that every server accepts
    std::string only_connect;   // a query that the server answers
    std::string why_not_tried;  // the reason, if there are no texts
    bool reads = true;          // false: the server may accept a statement but not its preparation
};

// The query in a form for PREPARE: with placeholders, or with made-up keys.
[[nodiscard]] TrialPlan plan_trial(const sql::Template& query, const sql::SqlAnalysis& analysis);

// The message with all made-up keys replaced by the same text.
[[nodiscard]] std::string without_made_up_key(std::string message);

// Asks the database for one text. Calls back exactly once.
using AskText = std::function<void(const std::string& text, pool::OutcomeCallback callback)>;

// Calls back exactly once. `ask` is kept until then.
void try_query(TrialPlan plan, AskText ask, TrialCallback callback);

}  // namespace proxyd::table
