#include "backends/table/table_set.h"

#include <algorithm>
#include <utility>

#include "backends/table/composite_lookup.h"
#include "backends/table/composite_table.h"
#include "protocol/table_name.h"

namespace proxyd::table {

using protocol::TableName;

TableSet::TableSet(Loop& loop, TableSetOptions options)
    : loop_(loop),
      utf8_(options.utf8),
      reader_(
          loop, std::move(options),
          [this](const std::string& table, std::string_view key, Deadline deadline, LookupCallback callback) {
              lookup_domain(table, key, deadline, std::move(callback));
          },
          [has_room = has_room_](std::size_t bytes) { return !*has_room || (*has_room)(bytes); }) {}

TableSet::~TableSet() = default;

void TableSet::add_backend(std::string type, std::unique_ptr<TableBackend> backend) {
    reader_.add_backend(std::move(type), std::move(backend));
}

bool TableSet::serves(std::string_view name) const {
    if (const auto list = CompositeTable::parse(name)) {
        return std::all_of(list->members.begin(), list->members.end(),
                           [this](const std::string& member) { return serves(member); });
    }
    const auto table = TableName::parse(name);
    return !table.proxied && reader_.backends().contains(table.type);
}

Table* TableSet::find(std::string_view name) {
    if (const auto found = tables_.find(name); found != tables_.end()) return found->second.get();
    if (const auto found = composites_.find(name); found != composites_.end()) return found->second.get();
    if (!serves(name)) return nullptr;
    std::string text(name);
    if (const auto list = CompositeTable::parse(name)) {
        std::vector<Table*> members;
        for (const auto& member : list->members) members.push_back(find(member));
        auto composite = std::make_unique<CompositeLookup>(text, list->kind, std::move(members));
        return composites_.emplace(std::move(text), std::move(composite)).first->second.get();
    }
    auto table = std::make_unique<WatchedTable>(loop_, reader_, text);
    return tables_.emplace(std::move(text), std::move(table)).first->second.get();
}

void TableSet::open(std::string_view name) {
    if (auto* const table = find(name)) table->open();
}

void TableSet::lookup(std::string_view name, std::string_view key, KeyRules rules, LookupCallback callback) {
    if (auto* const table = find(name)) {
        lookup(*table, key, rules, std::move(callback));
    } else {
        callback({protocol::Status::retry, ""});
    }
}

void TableSet::lookup(Table& table, std::string_view key, KeyRules rules, LookupCallback&& callback) const {
    table.lookup(key, rules, {loop_.now() + table.timeout()}, std::move(callback));
}

void TableSet::lookup_domain(const std::string& table, std::string_view key, Deadline deadline,
                             LookupCallback callback) {
    if (auto* const found = find(table)) {
        found->lookup(key, {utf8_, false, false}, deadline, std::move(callback));
    } else if (elsewhere_) {
        elsewhere_(table, key, deadline, std::move(callback));
    } else {
        callback({protocol::Status::retry, ""});
    }
}

Inspection TableSet::inspect(const std::string& name) const {
    if (auto list = CompositeTable::parse(name); list && serves(name)) {
        Inspection inspection;
        inspection.members = std::move(list->members);
        return inspection;
    }
    return reader_.read(name);
}

std::vector<DatabaseReport> TableSet::databases() const {
    std::vector<DatabaseReport> all;
    for (const auto& [type, backend] : reader_.backends()) {
        for (auto& report : backend->databases()) all.push_back(std::move(report));
    }
    return all;
}

std::vector<CacheReport> TableSet::caches() const {
    std::vector<CacheReport> all;
    for (const auto& [name, table] : tables_) {
        const auto* version = table->in_force();
        const auto stats = version == nullptr ? std::nullopt : version->cache_stats();
        if (stats) all.push_back({name, *stats});
    }
    return all;
}

std::vector<TableTrouble> TableSet::troubles() {
    std::vector<TableTrouble> all;
    for (const auto& [name, table] : tables_) {
        if (!table->is_open()) continue;
        table->open();
        if (!table->problem().empty()) all.push_back({name, table->problem(), table->in_force() != nullptr});
    }
    return all;
}

std::size_t TableSet::flush() {
    std::size_t count = 0;
    for (const auto& [name, table] : tables_) count += table->flush({});
    return count;
}

std::size_t TableSet::flush(std::string_view name, std::optional<std::string_view> key) {
    if (const auto list = CompositeTable::parse(name)) {
        // In a pipemap, the answers of earlier members decided which keys the later ones were asked for.
        std::size_t count = 0;
        for (const auto& member : list->members) count += flush(member, {});
        return count;
    }
    const auto found = tables_.find(name);
    return found == tables_.end() ? 0 : found->second->flush(key);
}

bool TableSet::is_open(std::string_view name) const {
    if (const auto list = CompositeTable::parse(name)) {
        return std::any_of(list->members.begin(), list->members.end(),
                           [this](const std::string& member) { return is_open(member); });
    }
    const auto found = tables_.find(name);
    return found != tables_.end() && found->second->is_open();
}

void TableSet::wind_down() {
    for (const auto& [type, backend] : reader_.backends()) backend->wind_down();
}

void TableSet::reload(TableSetOptions options) {
    utf8_ = options.utf8;
    reader_.change(std::move(options));
    for (auto& [name, table] : tables_) table->read_again();
}

}  // namespace proxyd::table
