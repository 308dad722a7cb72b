// The `domain` parameter of table files (pgsql_table(5)): the domains for which a table is asked.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backends/table/inline_table.h"

namespace proxyd::table {

// The domain of a folded key that a domain list checks: after the last '@'; may be empty. No value without
// '@' or when that '@' comes first: such a key is "not found" whatever the list contains.
[[nodiscard]] std::optional<std::string_view> listed_domain(std::string_view folded_key);

struct DomainMatch {
    enum class Kind {
        yes,
        no,
        ask,     // look up the domain in `table`, then call resume(); an error there is the lookup's error
        broken,  // an item that this key reaches cannot be used: the lookup answers retry
    };
    Kind kind = Kind::no;
    std::size_t index = 0;  // of the item, for ask and broken
    std::string table;      // type:name
    std::string reason;     // for broken
};

class DomainList {
  public:
    // The file's text, or no value and `error`.
    using ReadFile = std::function<std::optional<std::string>(const std::string& path, std::string& error)>;

    // Reads the files that `value` names, at once. A file that cannot be read becomes a broken item. `utf8`:
    // names fold by Unicode rules. No value, and `error`, when no table can be opened with `value` ('!'
    // without an item).
    [[nodiscard]] static std::optional<DomainList> parse(std::string_view value, const ReadFile& read,
                                                         bool utf8, std::string& error);

    // Whether the parameter has no items at all: every key passes, also those without a domain.
    [[nodiscard]] bool empty() const { return count_ == 0 && !given_; }

    // Folds a domain as the names in the list were folded.
    [[nodiscard]] std::string folded(std::string_view domain) const;

    // Items in order; the first that matches decides. Does no I/O.
    [[nodiscard]] DomainMatch match(std::string_view folded_domain, std::size_t from = 0) const;

    // Continues after an `ask` for item `index`.
    [[nodiscard]] DomainMatch resume(std::string_view folded_domain, std::size_t index, bool found) const;

    // An item that fails every lookup that reaches it.
    struct Fault {
        std::string item;    // "/path", or type:name
        std::string reason;  // for people; names the item
    };
    [[nodiscard]] std::vector<Fault> faults() const;

    // The loss against `before`, an older reading of the same parameter: "" or a sentence. A file that is
    // missing or holds no domain is probably about to be written; if it were taken seriously, all mail to its
    // domains would bounce.
    [[nodiscard]] std::string lost_since(const DomainList& before) const;

    // type:name of the items that are looked up in other tables.
    [[nodiscard]] std::vector<std::string> tables() const;

    // The files that were read or tried, to be watched.
    [[nodiscard]] const std::vector<std::string>& files() const { return files_; }

    // The files that hold no item.
    [[nodiscard]] const std::vector<std::string>& empty_files() const { return empty_files_; }

    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  private:
    // An item that is no plain name.
    struct Item {
        enum class Kind { table, inline_table, every, broken };
        Kind kind = Kind::table;
        bool negated = false;
        std::string text;  // type:name, or the path
        std::string reason;
        std::optional<InlineTable> entries;
        std::size_t place = 0;  // among all items of the list
    };
    struct Name {
        std::size_t place = 0;  // of the first item with this name
        bool negated = false;
    };
    struct NameHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
    };

    [[nodiscard]] bool add_items(std::string_view list, bool negated, const ReadFile& read,
                                 std::vector<std::string>& open_files, std::string& error);
    [[nodiscard]] bool add_lines(std::string_view text, const std::string& path, bool negated,
                                 const ReadFile& read, std::vector<std::string>& open_files,
                                 std::string& error);
    [[nodiscard]] bool add_file(const std::string& path, bool negated, const ReadFile& read,
                                std::vector<std::string>& open_files, std::string& error);
    [[nodiscard]] Item table_item(const std::string& name);
    void warn_of_capitals(const InlineTable& table);
    void add(Item item, bool negated);
    [[nodiscard]] static DomainMatch decided(bool negated);

    std::unordered_map<std::string, Name, NameHash, std::equal_to<>> names_;
    std::vector<Item> items_;
    std::size_t count_ = 0;  // number of items and names
    bool given_ = false;
    bool utf8_ = true;
    std::vector<std::string> files_;
    std::vector<std::string> empty_files_;
    std::vector<std::string> warnings_;
};

}  // namespace proxyd::table
