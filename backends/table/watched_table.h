// An SQL table and the changes of its files.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backends/event/loop.h"
#include "backends/table/file_stamp.h"
#include "backends/table/sql_table.h"
#include "backends/table/table.h"
#include "backends/table/table_reader.h"

namespace proxyd::table {

// A table that cannot be used answers retry and logs the reason; it is tried again when its files change. A
// table whose new file is wrong keeps its old version.
class WatchedTable final : public Table {
  public:
    // Reads nothing yet. The loop and the reader outlive the table.
    WatchedTable(Loop& loop, const TableReader& reader, std::string name);

    void open() override;
    [[nodiscard]] std::chrono::milliseconds timeout() override;
    void lookup(std::string_view key, KeyRules rules, Deadline deadline, LookupCallback&& callback) override;

    // Forgets all answers, or those of one key. Returns the number of forgotten answers.
    std::size_t flush(std::optional<std::string_view> key) const;

    [[nodiscard]] bool is_open() const { return opened_; }

    // The version in force; null: there never was a correct one.
    [[nodiscard]] const SqlTable* in_force() const { return table_.get(); }

    // The error of the newest version, if it is not in force.
    [[nodiscard]] const std::string& problem() const { return problem_; }

    // Reads its files at the next use, whatever their stamps are: options have changed.
    void read_again() { stale_ = true; }

  private:
    void load();
    void look_for_changes();

    // The topic for the log: messages from before the last good version do not hide those about the next
    // one.
    [[nodiscard]] std::string topic() const;
    // The effect of the problem, for the log: the old version goes on, or there is no table.
    [[nodiscard]] std::string trouble() const;

    Loop& loop_;
    const TableReader& reader_;
    std::string name_;
    std::shared_ptr<SqlTable> table_;
    std::string problem_;
    FileStamps loaded_;  // stamps when the newest version was read
    FileStamps seen_;    // stamps at the last check
    TimePoint looked_at_{};
    TimePoint tried_at_{};
    bool opened_ = false;
    bool stale_ = false;
    int versions_ = 0;  // number of versions that came into force
};

}  // namespace proxyd::table
