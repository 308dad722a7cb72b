// Lookups in a CompositeTable: one result from those of its members.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/table/composite_table.h"
#include "backends/table/table.h"

namespace proxyd::table {

// An error of a queried member is the error of the whole lookup. As in the stock server, the members fold
// keys by their own rules, not by those of the request.
class CompositeLookup final : public Table {
  public:
    // `members`, at least one, in their order; they outlive the table.
    CompositeLookup(std::string name, CompositeTable::Kind kind, std::vector<Table*> members);

    void open() override;
    [[nodiscard]] std::chrono::milliseconds timeout() override;
    void lookup(std::string_view key, KeyRules rules, Deadline deadline, LookupCallback&& callback) override;

  private:
    struct Chain;
    void lookup_all(std::string_view key, KeyRules rules, Deadline deadline, LookupCallback&& callback) const;
    static void lookup_rest(const std::shared_ptr<Chain>& chain, const std::string& key);

    std::string name_;
    CompositeTable::Kind kind_;
    std::vector<Table*> members_;
};

}  // namespace proxyd::table
