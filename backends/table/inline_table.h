// Small tables that stand in their own name: inline:{...} and static:... (DATABASE_README). Pure; used by
// domain lists.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace proxyd::table {

// inline:{ key = value, { key = value with blanks }, ... }. Keys are compared folded; the last of equal keys
// counts.
class InlineTable {
  public:
    // `text` is what follows "inline:". No value, and `error` says what is wrong, for a table that is not
    // "{...}", is empty, or has an item without '='. `utf8`: fold with fold_utf8 (where valid), else ASCII.
    [[nodiscard]] static std::optional<InlineTable> parse(std::string_view text, bool utf8,
                                                          std::string& error);

    // The value (it may be ""). `key` must be folded.
    [[nodiscard]] std::optional<std::string> find(std::string_view folded_key) const;

  private:
    std::map<std::string, std::string, std::less<>> entries_;
};

// The value that static:text gives for every key: the text, or the inside of "{ text }". `text` is what
// follows "static:". No value, and `error`, for an empty text or unbalanced braces.
[[nodiscard]] std::optional<std::string> static_value(std::string_view text, std::string& error);

}  // namespace proxyd::table
