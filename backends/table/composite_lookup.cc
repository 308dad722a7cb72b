#include "backends/table/composite_lookup.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backends/report/excerpt.h"
#include "backends/report/log.h"
#include "backends/sql/folding.h"

namespace proxyd::table {

using protocol::Status;

namespace {

LookupResult joined(const std::vector<LookupResult>& results) {
    LookupResult all{Status::nokey, ""};
    for (const auto& result : results) {
        if (result.status == Status::nokey) continue;
        if (result.status != Status::ok) return {result.status, ""};
        if (all.status == Status::ok) all.value += ',';
        all.status = Status::ok;
        all.value += result.value;
    }
    return all;
}

// Asks all members at once: their results are joined in the order of the list.
void lookup_all(const CompositeTable& list, const MemberLookup& ask, std::string_view key, KeyRules rules,
                Deadline deadline, LookupCallback callback) {
    struct Gathered {
        std::vector<LookupResult> results;
        std::size_t missing;
        LookupCallback callback;
    };
    const auto count = list.members.size();
    const auto gathered =
        std::make_shared<Gathered>(Gathered{std::vector<LookupResult>(count), count, std::move(callback)});
    for (std::size_t i = 0; i < count; ++i) {
        ask(list.members[i], key, rules, deadline, [gathered, i](LookupResult result) {
            gathered->results[i] = std::move(result);
            if (--gathered->missing == 0) gathered->callback(joined(gathered->results));
        });
    }
}

// The rest of a chain.
struct Chain {
    std::vector<std::string> members;
    std::size_t next = 0;
    MemberLookup ask;
    KeyRules rules;
    Deadline deadline;
    LookupCallback callback;
};

void lookup_rest(const std::shared_ptr<Chain>& chain, const std::string& key) {
    const auto& member = chain->members[chain->next++];
    chain->ask(member, key, chain->rules, chain->deadline, [chain](LookupResult result) {
        if (result.status != Status::ok || chain->next == chain->members.size()) {
            chain->callback(std::move(result));
        } else {
            lookup_rest(chain, result.value);
        }
    });
}

}  // namespace

void lookup_list(const std::string& name, const CompositeTable& list, const MemberLookup& ask,
                 std::string_view key, KeyRules rules, Deadline deadline, LookupCallback callback) {
    std::string folded(key);
    if (rules.utf8) {
        if (!is_utf8(key)) {
            log().warning(name + " non-UTF-8 key",
                          fmt::format("{}: non-UTF-8 key \"{}\" -- not found", name, excerpt(key)));
            callback({Status::nokey, ""});
            return;
        }
        if (rules.fold) folded = fold_utf8(key);
    }
    const KeyRules member_rules{rules.utf8, rules.fold_in_members, rules.fold_in_members};
    if (list.kind == CompositeTable::Kind::all) {
        lookup_all(list, ask, folded, member_rules, deadline, std::move(callback));
    } else {
        lookup_rest(
            std::make_shared<Chain>(Chain{list.members, 0, ask, member_rules, deadline, std::move(callback)}),
            folded);
    }
}

}  // namespace proxyd::table
