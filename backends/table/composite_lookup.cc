#include "backends/table/composite_lookup.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "backends/report/excerpt.h"
#include "backends/report/log.h"
#include "backends/sql/folding.h"

namespace proxyd::table {

using protocol::Status;

namespace {

// The source of the whole is that of the first member that did not answer by its own rules. If one part is
// stale, the whole is.
LookupResult joined(const std::vector<LookupResult>& results) {
    LookupResult all{Status::nokey, ""};
    for (const auto& result : results) {
        if (result.status != Status::ok && result.status != Status::nokey)
            return {result.status, "", result.source, result.failure};
        if (result.source == Source::stale || all.source == Source::table) all.source = result.source;
        if (result.status == Status::nokey) continue;
        if (all.status == Status::ok) all.value += ',';
        all.status = Status::ok;
        all.value += result.value;
    }
    return all;
}

}  // namespace

// The rest of a chain.
struct CompositeLookup::Chain {
    std::vector<Table*> members;  // a late answer may come after the end of the table
    KeyRules rules;
    Deadline deadline;
    LookupCallback callback;
    std::size_t next = 0;
};

CompositeLookup::CompositeLookup(std::string name, CompositeTable::Kind kind, std::vector<Table*> members)
    : name_(std::move(name)), kind_(kind), members_(std::move(members)) {}

void CompositeLookup::open() {
    for (auto* member : members_) member->open();
}

std::chrono::milliseconds CompositeLookup::timeout() {
    std::chrono::milliseconds longest{0};
    for (auto* member : members_) longest = std::max(longest, member->timeout());
    return longest;
}

void CompositeLookup::lookup(std::string_view key, KeyRules rules, Deadline deadline,
                             LookupCallback&& callback) {
    std::string folded(key);
    if (rules.utf8) {
        if (!sql::is_utf8(key)) {
            log().warning(name_ + " non-UTF-8 key",
                          fmt::format("{}: non-UTF-8 key \"{}\" -- not found", name_, excerpt(key)));
            callback({Status::nokey, ""});
            return;
        }
        if (rules.fold) folded = sql::fold_utf8(key);
    }
    const KeyRules member_rules{rules.utf8, rules.fold_in_members, rules.fold_in_members};
    if (kind_ == CompositeTable::Kind::all) {
        lookup_all(folded, member_rules, deadline, std::move(callback));
    } else {
        lookup_rest(std::make_shared<Chain>(Chain{members_, member_rules, deadline, std::move(callback)}),
                    folded);
    }
}

// Asks all members at once: their results are joined in the order of the list.
void CompositeLookup::lookup_all(std::string_view key, KeyRules rules, Deadline deadline,
                                 LookupCallback&& callback) const {
    struct Gathered {
        std::vector<LookupResult> results;
        std::size_t missing;
        LookupCallback callback;
    };
    const auto count = members_.size();
    const auto gathered =
        std::make_shared<Gathered>(Gathered{std::vector<LookupResult>(count), count, std::move(callback)});
    for (std::size_t i = 0; i < count; ++i) {
        members_[i]->lookup(key, rules, deadline, [gathered, i](LookupResult result) {
            gathered->results[i] = std::move(result);
            if (--gathered->missing == 0) gathered->callback(joined(gathered->results));
        });
    }
}

void CompositeLookup::lookup_rest(const std::shared_ptr<Chain>& chain, const std::string& key) {
    auto* const member = chain->members[chain->next++];
    member->lookup(key, chain->rules, chain->deadline, [chain](LookupResult result) {
        if (result.status != Status::ok || chain->next == chain->members.size()) {
            chain->callback(std::move(result));
        } else {
            lookup_rest(chain, result.value);
        }
    });
}

}  // namespace proxyd::table
