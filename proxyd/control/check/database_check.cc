#include "proxyd/control/check/database_check.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>
#include <strings.h>

namespace proxyd::control {
namespace {

// Whether a MySQL server sees more than one statement in every sql_mode. False where a backslash, a double
// quote or a comment may have several meanings, and for a compound statement, which has ';' inside.
bool is_surely_several(const table::SqlDefinition& definition) {
    constexpr std::array<std::string_view, 8> simple = {"select", "with",    "insert", "update",
                                                        "delete", "replace", "call",   "set"};
    const std::string_view query = definition.query.source;
    if (!definition.analysis.several_statements || query.find_first_of("\\\"#") != query.npos ||
        query.find("/*") != query.npos || query.find("--") != query.npos)
        return false;
    const auto word = query.substr(0, query.find_first_of(" \t\r\n(;"));
    return std::any_of(simple.begin(), simple.end(), [word](std::string_view one) {
        return word.size() == one.size() && strncasecmp(word.data(), one.data(), one.size()) == 0;
    });
}

// `tried`: the database has accepted the query, too.
void settle_doubts(std::vector<Doubt>& doubts, bool tried) {
    std::erase_if(doubts, [tried](Doubt& doubt) {
        if (doubt.proof == Proof::none || (doubt.proof == Proof::query && !tried)) return false;
        const bool worth_a_look = doubt.finding.gravity == Gravity::error;
        doubt.finding.gravity = Gravity::warning;
        return !worth_a_look;
    });
}

// The parameters that may be at fault, the likeliest first.
std::vector<std::string_view> parameters_at_fault(const CheckedTable& table, const pool::Failure& failure) {
    if (!table.type.file_parameter.empty() && failure.kind != pool::FailureClass::query)
        return {table.type.file_parameter};
    if (failure.kind == pool::FailureClass::query) return {"query", "table"};
    if (failure.parameter == "user" && failure.message.find("password") != std::string::npos)
        return {"password", "user"};
    std::vector<std::string_view> names = {pool::is_trouble_with_hosts(failure.kind) ? "hosts"
                                                                                     : failure.parameter};
    if (names.front().empty()) return names;
    // Connection text and URIs may hold any parameter.
    for (const auto* name : {"dbname", "hosts"}) {
        const auto text = table.parameters.text(name, "");
        if (text.find('=') != std::string::npos || text.find("://") != std::string::npos)
            names.push_back(name);
    }
    return names;
}

// Reports the failure at the line of the parameter to correct, as far as that is certain.
void tell_failure(const CheckedTable& table, const pool::Failure& failure, Findings& findings) {
    int line = 0;
    for (const auto parameter : parameters_at_fault(table, failure))
        line = line > 0 ? line : table.line_of(parameter);
    findings.error(table.where, line, failure.message);
}

}  // namespace

bool judge_trial(CheckedTable& table, const table::Trial& trial, Findings& findings) {
    if (trial.failure) {
        tell_failure(table, *trial.failure, findings);
        return false;
    }
    const bool tried = trial.not_tried.empty();
    settle_doubts(table.doubts, tried);
    if (tried) return true;
    if (!table.type.takes_several_statements && is_surely_several(table.table->definition())) {
        findings.error(
            table.where, table.line_of("query"),
            "the query is more than one statement, and a MySQL server takes only one: all lookups fail: "
            "write one statement");
        return false;
    }
    findings.note(
        table.where, table.line_of("query"),
        fmt::format("this query was not tried, as {}: the database was only connected to", trial.not_tried));
    return true;
}

std::size_t check_databases(std::vector<CheckedTable>& tables, EventLoop& loop, Findings& findings) {
    std::size_t answering = 0;
    auto open = std::count_if(tables.begin(), tables.end(), [](const auto& one) { return one.can_answer; });
    for (auto& table : tables) {
        if (!table.can_answer) continue;
        // Long enough for one connection attempt, and a second one on another host.
        const auto& settings = table.table->settings();
        const auto limit =
            std::min(settings.lookup_timeout, settings.connect_timeout + std::chrono::seconds(2));
        table.table->runner().prepare_only({Clock::now() + limit}, [&](const table::Trial& trial) {
            if (judge_trial(table, trial, findings)) ++answering;
            if (--open == 0) loop.stop();
        });
    }
    if (open > 0) loop.run();
    return answering;
}

}  // namespace proxyd::control
