// Small tables whose content is in their own name: inline:{...} and static:... (DATABASE_README). Pure; used
// by domain lists.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace proxyd::table {

// inline:{ key = value, { key = value with blanks }, ... }. Keys are not changed: Postfix folds the domain
// that it looks up in a list, but not the keys of such a table. Of equal keys the last one counts.
class InlineTable {
  public:
    // `text` is the part after "inline:". No value, and `error` gives the reason, for a table that is not
    // "{...}", is empty, or has an item without '='.
    [[nodiscard]] static std::optional<InlineTable> parse(std::string_view text, std::string& error);

    [[nodiscard]] std::vector<std::string> keys() const;

    // The value (it may be "").
    [[nodiscard]] std::optional<std::string> find(std::string_view key) const;

  private:
    std::map<std::string, std::string, std::less<>> entries_;
};

// The value that static:text gives for every key: the text, or the inside of "{ text }". `text` is the part
// after "static:". No value, and `error`, for an empty text or unbalanced braces.
[[nodiscard]] std::optional<std::string> static_value(std::string_view text, std::string& error);

}  // namespace proxyd::table
