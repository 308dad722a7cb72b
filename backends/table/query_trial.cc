#include "backends/table/query_trial.h"

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "backends/sql/explain.h"

namespace proxyd::table {
namespace {

// These addresses do not exist. They have labels for %1 to %9, and are alike after the first letters.
constexpr std::array<std::string_view, 2> local_parts = {"check@", "other@"};
constexpr std::string_view made_up_domain = "a.b.c.d.e.f.g.proxyd.invalid";

class QueryTrial : public std::enable_shared_from_this<QueryTrial> {
  public:
    QueryTrial(TrialPlan plan, AskText ask, TrialCallback callback)
        : plan_(std::move(plan)), ask_(std::move(ask)), callback_(std::move(callback)) {}

    void start() {
        if (plan_.texts.empty()) {
            ask_(plan_.only_connect, [self = shared_from_this()](const pool::Outcome& outcome) {
                self->end(outcome.ok() ? std::nullopt : std::optional(outcome.failure),
                          self->plan_.why_not_tried);
            });
            return;
        }
        ask_(plan_.texts.front(), [self = shared_from_this()](const pool::Outcome& outcome) {
            if (outcome.ok()) return self->end(std::nullopt, {});
            if (outcome.failure.kind != pool::FailureClass::query) return self->end(outcome.failure, {});
            self->failure_ = outcome.failure;
            self->try_other_key();
        });
    }

  private:
    void try_other_key() {
        if (plan_.texts.size() < 2) return try_control();
        ask_(plan_.texts.back(), [self = shared_from_this()](const pool::Outcome& outcome) {
            if (outcome.ok()) return self->end(std::nullopt, {});
            if (outcome.failure.message == self->failure_.message) return self->try_control();
            self->end(std::nullopt,
                      "the server refuses it with a made-up key (" + self->failure_.message + ")");
        });
    }

    // Checks whether the server refuses the form of the query.
    void try_control() {
        ask_(plan_.control, [self = shared_from_this()](const pool::Outcome& outcome) {
            if (outcome.ok() && self->plan_.reads) return self->end(self->failure_, {});
            self->end(std::nullopt,
                      "the server does not prepare it without running it (" + self->failure_.message + ")");
        });
    }

    void end(std::optional<pool::Failure> failure, std::string not_tried) {
        if (failure) not_tried.clear();
        callback_({std::move(failure), std::move(not_tried)});
    }

    TrialPlan plan_;
    AskText ask_;
    TrialCallback callback_;
    pool::Failure failure_;
};

}  // namespace

TrialPlan plan_trial(const sql::Template& query, const sql::SqlAnalysis& analysis) {
    TrialPlan plan;
    plan.only_connect = plan.control = "SELECT 1";
    plan.reads = !analysis.may_write || sql::is_safe_to_explain(query, analysis);
    if (!analysis.unquoted.empty()) {
        plan.why_not_tried = "a key stands in it outside quotes";
    } else if (analysis.several_statements) {
        plan.why_not_tried = "it is more than one statement";
    } else if (analysis.bound && !analysis.bound->backslash) {
        plan.texts = {analysis.bound->text};
    } else {
        for (const auto local_part : local_parts) {
            const auto key = std::string(local_part).append(made_up_domain);
            auto text =
                sql::expand_query(query, sql::KeyParts(key), [](std::string_view value, std::string& out) {
                    out += value;
                    return true;
                });
            if (plan.texts.empty() || *text != plan.texts.front()) plan.texts.push_back(std::move(*text));
        }
    }
    return plan;
}

std::string without_made_up_key(std::string message) {
    for (const auto local_part : local_parts) {
        for (auto at = message.find(local_part); at != message.npos; at = message.find(local_part, at))
            message.replace(at, local_part.size(), "%s@");
    }
    return message;
}

void try_query(TrialPlan plan, AskText ask, TrialCallback callback) {
    std::make_shared<QueryTrial>(std::move(plan), std::move(ask), std::move(callback))->start();
}

}  // namespace proxyd::table
