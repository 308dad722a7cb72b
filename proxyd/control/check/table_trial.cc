// Whether the databases of the tables accept their queries.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <strings.h>

#include "protocol/table_name.h"
#include "proxyd/control/check/table_check.h"

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

}  // namespace

// Drops or weakens the doubts that the database has refuted.
void TableCheck::settle_doubts(Usable& usable, bool tried) {
    std::erase_if(usable.doubts, [tried](Doubt& doubt) {
        if (doubt.proof == Proof::none || (doubt.proof == Proof::query && !tried)) return false;
        const bool worth_a_look = doubt.finding.gravity == Gravity::error;
        doubt.finding.gravity = Gravity::warning;
        return !worth_a_look;
    });
}

// Reports the failure at the line of the parameter to correct, as far as that is certain.
void TableCheck::tell_failure(const Usable& usable, const pool::Failure& failure) {
    const auto holds = [&](std::string_view parameter) {
        const auto text = usable.parameters.text(parameter, "");
        return text.find('=') != std::string::npos || text.find("://") != std::string::npos;
    };
    std::vector<std::string_view> candidates;
    const auto& type = type_of(usable.name);
    if (!type.file_parameter.empty() && failure.kind != pool::FailureClass::query) {
        candidates = {type.file_parameter};
    } else if (failure.kind == pool::FailureClass::query) {
        candidates = {"query", "table"};
    } else if (failure.parameter == "user" && failure.message.find("password") != std::string::npos) {
        candidates = {"password", "user"};
    } else {
        candidates = {pool::is_trouble_with_hosts(failure.kind) ? "hosts" : failure.parameter};
        // Connection text and URIs may hold any parameter.
        for (const auto* text : {"dbname", "hosts"}) {
            if (!candidates.front().empty() && holds(text)) candidates.push_back(text);
        }
    }
    int line = 0;
    for (const auto parameter : candidates) line = line > 0 ? line : line_of(usable, parameter);
    findings_.error(usable.where, line, failure.message);
}

void TableCheck::tell_trial(Usable& usable, const table::Trial& trial) {
    if (trial.failure) return tell_failure(usable, *trial.failure);
    const bool tried = trial.not_tried.empty();
    settle_doubts(usable, tried);
    if (!tried && !type_of(usable.name).takes_several_statements &&
        is_surely_several(usable.table->definition())) {
        findings_.error(
            usable.where, line_of(usable, "query"),
            "the query is more than one statement, and a MySQL server takes only one: all lookups fail: "
            "write one statement");
        return;
    }
    ++answering_;
    if (tried) return;
    findings_.note(
        usable.where, line_of(usable, "query"),
        fmt::format("this query was not tried, as {}: the database was only connected to", trial.not_tried));
}

void TableCheck::connect() {
    std::size_t open = 0;
    for (const auto& usable : usable_) open += usable.can_answer ? 1 : 0;
    for (auto& usable : usable_) {
        if (!usable.can_answer) continue;
        // Long enough for one connection attempt, and a second one on another host.
        const auto& settings = usable.table->settings();
        const auto limit =
            std::min(settings.lookup_timeout, settings.connect_timeout + std::chrono::seconds(2));
        usable.table->runner().prepare_only({Clock::now() + limit},
                                            [this, &usable, &open](const table::Trial& trial) {
                                                tell_trial(usable, trial);
                                                if (--open == 0) loop_.stop();
                                            });
    }
    if (open > 0) loop_.run();
}

}  // namespace proxyd::control
