// Finds out without a lookup whether a database takes a table's query. A server may refuse what is asked in a
// trial where it answers lookups: an error counts only if a lookup would meet it, too.
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
    std::optional<pool::Failure> failure;  // what lookups will meet
    std::string not_tried;                 // why the database was only connected to; "": the query was tried
};
using TrialCallback = std::function<void(const Trial&)>;

struct TrialPlan {
    // The query, in a form in which the server looks at it and does not run it; with a key in the text there
    // are two, with different keys. What the server says of both alike is not the fault of a key. Empty: the
    // database is only connected to.
    std::vector<std::string> texts;
    std::string control;        // a query in the same form that every server takes
    std::string only_connect;   // one that it answers
    std::string why_not_tried;  // where there are no texts
    bool reads = true;          // false: the server may take a statement and not its preparation
};

// The query as PREPARE would have it: with placeholders, or with made-up keys in it.
[[nodiscard]] TrialPlan plan_trial(const Template& query, const SqlAnalysis& analysis);

// A message in which the made-up keys look alike.
[[nodiscard]] std::string without_made_up_key(std::string message);

// Asks the database for one text. Calls back exactly once.
using AskText = std::function<void(const std::string& text, pool::OutcomeCallback callback)>;

// Calls back exactly once. `ask` is kept until then.
void try_query(TrialPlan plan, AskText ask, TrialCallback callback);

}  // namespace proxyd::table
