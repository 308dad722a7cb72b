#include "backends/table/watched_table.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/report/file_access_advice.h"
#include "backends/report/log.h"
#include "protocol/table_name.h"

namespace proxyd::table {

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

}  // namespace

WatchedTable::WatchedTable(Loop& loop, const TableReader& reader, std::string name)
    : loop_(loop), reader_(reader), name_(std::move(name)) {}

std::string WatchedTable::topic() const {
    return fmt::format("{} after {} versions: {}", name_, versions_, problem_);
}

std::string WatchedTable::trouble() const {
    return table_ ? fmt::format("{} -- table {} stays as it was", problem_, name_)
                  : fmt::format("{} is unavailable. {}", name_, problem_);
}

void WatchedTable::open() {
    if (!opened_) {
        opened_ = true;
        load();
    } else {
        look_for_changes();
    }
}

std::chrono::milliseconds WatchedTable::timeout() {
    open();
    return table_ ? table_->settings().lookup_timeout : std::chrono::milliseconds(0);
}

void WatchedTable::lookup(std::string_view key, KeyRules rules, Deadline deadline,
                          LookupCallback&& callback) {
    open();
    if (!table_) {
        log().error(topic(), trouble());
        callback({protocol::Status::retry, ""});
        return;
    }
    // The callback may cause the table to be replaced; this version then continues to the end.
    const auto table = table_;
    table->lookup(key, rules, deadline, std::move(callback));
}

std::size_t WatchedTable::flush(std::optional<std::string_view> key) const {
    return table_ ? table_->flush(key) : 0;
}

void WatchedTable::look_for_changes() {
    if (!stale_ && loop_.now() - looked_at_ < look_interval) return;
    looked_at_ = loop_.now();
    if (stale_) {
        load();
        return;
    }
    if (!problem_.empty() && looked_at_ - tried_at_ >= retry_interval) {
        // The machine may have been at fault, not the file.
        load();
        return;
    }
    FileStamps now;
    for (const auto& [path, stamp] : loaded_) now.emplace(path, stamp_of(path));
    if (now == loaded_) {
        seen_ = std::move(now);
        return;
    }
    const bool settled = now == seen_ || changed_before(loaded_, now, look_interval);
    seen_ = std::move(now);
    if (settled) load();
}

void WatchedTable::load() {
    const bool first = loaded_.empty() && !table_ && problem_.empty();
    const bool file_changed = !stale_;
    stale_ = false;
    tried_at_ = loop_.now();
    looked_at_ = loop_.now();
    // The stamp is taken before the file is read: a change in between is then seen at the next check.
    const std::string path(protocol::TableName::parse(name_).name);
    const auto before = stamp_of(path);
    auto inspection = reader_.read(name_);
    loaded_ = stamps_of(inspection.files);
    if (const auto own = loaded_.find(path); own != loaded_.end()) own->second = before;
    seen_ = loaded_;
    // A refused version is read again and again.
    for (const auto& warning : inspection.warnings)
        log().warning(fmt::format("{} after {} versions: {}", name_, versions_, warning), warning);
    const auto lost = inspection.table && table_ && file_changed
                          ? inspection.table->definition().domains.lost_since(table_->definition().domains)
                          : std::string();
    if (!lost.empty()) {
        inspection.table.reset();
        inspection.errors.push_back(lost);
    }
    if (inspection.table) {
        if (!first && file_changed)
            log().info(fmt::format("table {} has changed -- new version in use", name_));
        table_ = std::move(inspection.table);
        ++versions_;
        problem_.clear();
        return;
    }
    problem_ = fmt::format("{}", fmt::join(inspection.errors, "; "));
    if (is_file_name(path) && faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0 && errno == EACCES)
        problem_ += ". " + advice_to_let_read(effective_group(), path);
    log().error(topic(), trouble());
}

}  // namespace proxyd::table
