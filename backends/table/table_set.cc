#include "backends/table/table_set.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/report/file_access_advice.h"
#include "backends/report/log.h"
#include "backends/table/composite_lookup.h"
#include "backends/table/composite_table.h"
#include "backends/table/inline_table.h"
#include "protocol/table_name.h"

namespace proxyd::table {

using protocol::TableName;

namespace {

// How often the files of a table in use are checked. A change is applied when two checks in a row saw the
// same stamps, so that no file is read while it is being written.
constexpr std::chrono::seconds look_interval{1};

// How often an unusable table file is tried again, even if it has not changed.
constexpr std::chrono::seconds retry_interval{5};

// Whether all differences from `before` are at least this old. A change older than one check needs no second
// check; the age of a removal is not known.
bool changed_before(const FileStamps& before, const FileStamps& stamps, std::chrono::nanoseconds time) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::all_of(stamps.begin(), stamps.end(), [&](const auto& item) {
        const auto& [path, stamp] = item;
        if (stamp == before.at(path)) return true;
        return stamp.exists && std::chrono::nanoseconds(stamp.changed_ns) + time <= now;
    });
}

bool is_file_name(std::string_view name) {
    return name.starts_with('/') || name.starts_with('.');
}

// The daemon's options are for all tables; parameters in a table's own file are meant for this table.
void warn_of_kept_answers(const SqlTable& table, TableParameters& parameters) {
    if (!table.definition().analysis.may_write || !table.settings().keeps_answers()) return;
    for (const char* name : {"cache_ttl", "cache_negative_ttl", "stale_ttl"}) {
        if (parameters.text(name))
            parameters.warning(name, fmt::format("{} has no effect here: the query may change data, so its "
                                                 "answers are never kept",
                                                 name));
    }
}

}  // namespace

std::string TableSet::Entry::topic() const {
    return fmt::format("{} after {} versions: {}", name, versions, problem);
}

std::string TableSet::Entry::trouble() const {
    return table ? fmt::format("{} -- table {} stays as it was", problem, name)
                 : fmt::format("{} is unavailable. {}", name, problem);
}

TableSet::TableSet(Loop& loop, TableSetOptions options) : loop_(loop), options_(std::move(options)) {}

TableSet::~TableSet() = default;

void TableSet::add_backend(std::string type, std::unique_ptr<TableBackend> backend) {
    backends_.emplace(std::move(type), std::move(backend));
}

bool TableSet::serves(std::string_view name) const {
    if (const auto list = CompositeTable::parse(name)) {
        return std::all_of(list->members.begin(), list->members.end(),
                           [this](const std::string& member) { return serves(member); });
    }
    const auto table = TableName::parse(name);
    return !table.proxied && backends_.contains(table.type);
}

void TableSet::open(std::string_view name) {
    if (const auto list = CompositeTable::parse(name)) {
        for (const auto& member : list->members) open(member);
        return;
    }
    (void)entry(name);
}

void TableSet::lookup(std::string_view name, std::string_view key, KeyRules rules, LookupCallback callback) {
    if (CompositeTable::parse(name)) {
        lookup_any(name, key, rules, {loop_.now() + timeout_of(name)}, std::move(callback));
        return;
    }
    auto& found = entry(name);
    if (!found.table) {
        unavailable(found, callback);
        return;
    }
    lookup_until(found, key, rules, {loop_.now() + found.table->settings().lookup_timeout},
                 std::move(callback));
}

// For a CompositeTable the longest time of its members counts.
std::chrono::milliseconds TableSet::timeout_of(std::string_view name) {
    std::chrono::milliseconds longest{0};
    if (const auto list = CompositeTable::parse(name)) {
        for (const auto& member : list->members) longest = std::max(longest, timeout_of(member));
        return longest;
    }
    const auto& table = entry(name).table;
    return table ? table->settings().lookup_timeout : longest;
}

void TableSet::unavailable(const Entry& entry, const LookupCallback& callback) const {
    log().error(entry.topic(), entry.trouble());
    callback({protocol::Status::retry, ""});
}

void TableSet::lookup_any(std::string_view name, std::string_view key, KeyRules rules, Deadline deadline,
                          LookupCallback callback) {
    if (const auto list = CompositeTable::parse(name)) {
        const auto ask = [this](const std::string& member, std::string_view member_key, KeyRules member_rules,
                                Deadline until, LookupCallback done) {
            lookup_any(member, member_key, member_rules, until, std::move(done));
        };
        lookup_list(std::string(name), *list, ask, key, rules, deadline, std::move(callback));
        return;
    }
    auto& found = entry(name);
    if (found.table) {
        lookup_until(found, key, rules, deadline, std::move(callback));
    } else {
        unavailable(found, callback);
    }
}

void TableSet::lookup_until(Entry& found, std::string_view key, KeyRules rules, Deadline deadline,
                            LookupCallback callback) {
    // The callback may cause the table to be replaced; this version then continues to the end.
    const auto table = found.table;
    table->lookup(key, rules, deadline, std::move(callback));
}

TableSet::Entry& TableSet::entry(std::string_view name) {
    auto found = entries_.find(name);
    if (found == entries_.end()) {
        found = entries_.emplace(std::string(name), std::make_unique<Entry>()).first;
        found->second->name = std::string(name);
        load(*found->second);
    } else {
        look_for_changes(*found->second);
    }
    return *found->second;
}

void TableSet::look_for_changes(Entry& entry) {
    if (!entry.stale && loop_.now() - entry.looked_at < look_interval) return;
    entry.looked_at = loop_.now();
    if (entry.stale) {
        load(entry);
        return;
    }
    if (!entry.problem.empty() && entry.looked_at - entry.tried_at >= retry_interval) {
        // The machine may have been at fault, not the file.
        load(entry);
        return;
    }
    FileStamps now;
    for (const auto& [path, stamp] : entry.loaded) now.emplace(path, stamp_of(path));
    if (now == entry.loaded) {
        entry.seen = std::move(now);
        return;
    }
    const bool settled = now == entry.seen || changed_before(entry.loaded, now, look_interval);
    entry.seen = std::move(now);
    if (settled) load(entry);
}

void TableSet::load(Entry& entry) {
    const bool first = entry.loaded.empty() && !entry.table && entry.problem.empty();
    const bool file_changed = !entry.stale;
    entry.stale = false;
    entry.tried_at = loop_.now();
    entry.looked_at = loop_.now();
    // The stamp is taken before the file is read: a change in between is then seen at the next check.
    const std::string path(TableName::parse(entry.name).name);
    const auto before = stamp_of(path);
    auto inspection = inspect(entry.name);
    entry.loaded = stamps_of(inspection.files);
    if (const auto own = entry.loaded.find(path); own != entry.loaded.end()) own->second = before;
    entry.seen = entry.loaded;
    // A refused version is read again and again.
    for (const auto& warning : inspection.warnings)
        log().warning(fmt::format("{} after {} versions: {}", entry.name, entry.versions, warning), warning);
    const auto lost =
        inspection.table && entry.table && file_changed
            ? inspection.table->definition().domains.lost_since(entry.table->definition().domains)
            : std::string();
    if (!lost.empty()) {
        inspection.table.reset();
        inspection.errors.push_back(lost);
    }
    if (inspection.table) {
        if (!first && file_changed)
            log().info(fmt::format("table {} has changed -- new version in use", entry.name));
        entry.table = std::move(inspection.table);
        ++entry.versions;
        entry.problem.clear();
        return;
    }
    entry.problem = fmt::format("{}", fmt::join(inspection.errors, "; "));
    if (is_file_name(path) && faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES)
        entry.problem += ". " + advice_to_let_read(effective_group(), path);
    log().error(entry.topic(), entry.trouble());
}

TableParameters TableSet::read_parameters(const std::string& name, std::vector<std::string>& files) {
    if (is_file_name(name)) {
        files.push_back(name);
        std::string error;
        auto file = config::read_parameter_file(name, error);
        if (file) return TableParameters::from_file(std::move(*file));
        // The caller puts the file's name in front of the message.
        const auto opened = fmt::format("open {}: ", name);
        if (error.starts_with(opened)) error.replace(0, opened.size(), "cannot be read: ");
        if (!options_.chroot.empty()) error += fmt::format(" (in the chroot {})", options_.chroot);
        config::ParameterFile unreadable;
        unreadable.path = name;
        unreadable.errors.push_back({0, error});
        return TableParameters::from_file(std::move(unreadable));
    }
    if (!name.empty() && options_.main_cf) {
        auto parameters = TableParameters::from_main_cf(name, options_.main_cf);
        if (parameters.is_relative_path())
            parameters.error("",
                             fmt::format("the name does not begin with \"/\", so that it is read as main.cf "
                                         "parameters, {}_query and others, and there are none: write the "
                                         "whole path",
                                         name));
        return parameters;
    }
    config::ParameterFile missing;
    missing.path = "table \"" + name + "\"";
    missing.errors.push_back({0, name.empty()
                                     ? "no name after the type: expecting type:/path/to/file"
                                     : "there is no main.cf that could define it: use type:/path/to/file"});
    return TableParameters::from_file(std::move(missing));
}

TableSet::Inspection TableSet::inspect(const std::string& table_name) {
    Inspection inspection;
    if (auto list = CompositeTable::parse(table_name); list && serves(table_name)) {
        inspection.members = std::move(list->members);
        return inspection;
    }
    const auto parsed = TableName::parse(table_name);
    const auto backend = parsed.proxied ? backends_.end() : backends_.find(parsed.type);
    if (backend == backends_.end()) {
        std::vector<std::string> known;
        for (const auto& [known_type, served] : backends_) known.push_back(known_type);
        inspection.errors.push_back(fmt::format("unsupported table type: {} ({} serves {})", table_name,
                                                "proxyd", fmt::join(known, ", ")));
        return inspection;
    }
    auto parameters = read_parameters(std::string(parsed.name), inspection.files);
    const bool readable = parameters.errors().empty();
    if (readable) {
        const auto read = [&inspection](const std::string& path, std::string& error) {
            inspection.files.push_back(path);
            return config::read_file(path, error);
        };
        auto definition = read_sql_definition(parameters, backend->second->dialect(), options_.utf8, read);
        const auto settings = options_.settings_for ? options_.settings_for(parameters) : TableSettings{};
        if (definition) {
            auto runner = backend->second->make_runner(table_name, parameters, *definition, settings);
            if (runner && parameters.errors().empty()) {
                const auto nested = [this](const std::string& table, std::string_view key, Deadline deadline,
                                           LookupCallback callback) {
                    if (elsewhere_ && !serves(table)) {
                        elsewhere_(table, key, deadline, std::move(callback));
                    } else {
                        lookup_any(table, key, {options_.utf8, false, false}, deadline, std::move(callback));
                    }
                };
                inspection.table = std::make_shared<SqlTable>(
                    loop_, table_name, std::move(*definition), settings, std::move(runner), nested,
                    [has_room = has_room_](std::size_t bytes) { return !*has_room || (*has_room)(bytes); });
                warn_of_kept_answers(*inspection.table, parameters);
            }
        } else {
            // Finds further errors, to report all of them at once.
            (void)backend->second->make_runner(table_name, parameters, SqlDefinition{}, settings);
        }
    }
    for (const auto& problem : parameters.errors()) inspection.errors.push_back(parameters.describe(problem));
    for (const auto& problem : parameters.warnings())
        inspection.warnings.push_back(parameters.describe(problem));
    inspection.parameters = std::move(parameters);
    return inspection;
}

std::vector<DatabaseReport> TableSet::databases() const {
    std::vector<DatabaseReport> all;
    for (const auto& [type, backend] : backends_) {
        for (auto& report : backend->databases()) all.push_back(std::move(report));
    }
    return all;
}

std::vector<CacheReport> TableSet::caches() const {
    std::vector<CacheReport> all;
    for (const auto& [name, entry] : entries_) {
        const auto stats = entry->table ? entry->table->cache_stats() : std::nullopt;
        if (stats) all.push_back({name, *stats});
    }
    return all;
}

std::vector<TableTrouble> TableSet::troubles() {
    std::vector<TableTrouble> all;
    for (const auto& [name, entry] : entries_) {
        look_for_changes(*entry);
        if (!entry->problem.empty()) all.push_back({name, entry->problem, entry->table != nullptr});
    }
    return all;
}

std::size_t TableSet::flush() {
    std::size_t count = 0;
    for (const auto& [name, entry] : entries_) count += entry->table ? entry->table->flush({}) : 0;
    return count;
}

std::size_t TableSet::flush(std::string_view name, std::optional<std::string_view> key) {
    std::size_t count = 0;
    if (const auto list = CompositeTable::parse(name)) {
        // In a pipemap, the answers of earlier members decided which keys the later ones were asked for.
        for (const auto& member : list->members) count += flush(member, {});
        return count;
    }
    const auto found = entries_.find(name);
    if (found == entries_.end() || !found->second->table) return 0;
    return found->second->table->flush(key);
}

bool TableSet::is_open(std::string_view name) const {
    if (const auto list = CompositeTable::parse(name)) {
        return std::any_of(list->members.begin(), list->members.end(),
                           [this](const std::string& member) { return is_open(member); });
    }
    return entries_.contains(name);
}

void TableSet::wind_down() {
    for (const auto& [type, backend] : backends_) backend->wind_down();
}

void TableSet::reload(TableSetOptions options) {
    options_ = std::move(options);
    for (auto& [name, entry] : entries_) entry->stale = true;
}

}  // namespace proxyd::table
