// Characters that are invisible in a configuration file, or mean something else than they look like. They
// come from text that was copied from a web page, a chat or a word processor.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace proxyd::control {

enum class Strangeness {
    blank,      // looks like a space, but separates nothing: a no-break space
    nothing,    // invisible: a zero width space, a byte order mark
    quotation,  // a typographic quotation mark
};

struct StrangeCharacter {
    std::size_t at = 0;    // bytes
    std::size_t size = 0;  // bytes
    Strangeness kind = Strangeness::nothing;
    std::string_view code;  // "U+00A0"
    std::string_view name;  // "no-break space"
};

// The first one at or after `from`. Bytes that are not UTF-8 are read as Windows-1252.
[[nodiscard]] std::optional<StrangeCharacter> find_strange_character(std::string_view text,
                                                                     std::size_t from = 0);

// "a no-break space (U+00A0)"
[[nodiscard]] std::string describe(const StrangeCharacter& character);

// The text with "[U+00A0]" in place of each invisible character.
[[nodiscard]] std::string with_strange_characters_shown(std::string_view text);

}  // namespace proxyd::control
