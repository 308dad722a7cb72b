#include "proxyd/control/check/strange_character.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace proxyd::control {
namespace {

struct Known {
    std::string_view utf8;
    std::string_view windows;  // its byte in Windows-1252; or empty
    Strangeness kind;
    std::string_view code;
    std::string_view name;
};

using enum Strangeness;

constexpr std::array known_characters = {
    // NOLINTBEGIN(misc-misleading-bidirectional): they are the subject here
    Known{"\xC2\xA0", "\xA0", blank, "U+00A0", "no-break space"},
    Known{"\xC2\xAD", "\xAD", nothing, "U+00AD", "soft hyphen"},
    Known{"\xE1\x9A\x80", "", blank, "U+1680", "Ogham space mark"},
    Known{"\xE2\x80\x80", "", blank, "U+2000", "en quad"},
    Known{"\xE2\x80\x81", "", blank, "U+2001", "em quad"},
    Known{"\xE2\x80\x82", "", blank, "U+2002", "en space"},
    Known{"\xE2\x80\x83", "", blank, "U+2003", "em space"},
    Known{"\xE2\x80\x84", "", blank, "U+2004", "three-per-em space"},
    Known{"\xE2\x80\x85", "", blank, "U+2005", "four-per-em space"},
    Known{"\xE2\x80\x86", "", blank, "U+2006", "six-per-em space"},
    Known{"\xE2\x80\x87", "", blank, "U+2007", "figure space"},
    Known{"\xE2\x80\x88", "", blank, "U+2008", "punctuation space"},
    Known{"\xE2\x80\x89", "", blank, "U+2009", "thin space"},
    Known{"\xE2\x80\x8A", "", blank, "U+200A", "hair space"},
    Known{"\xE2\x80\x8B", "", nothing, "U+200B", "zero width space"},
    Known{"\xE2\x80\x8C", "", nothing, "U+200C", "zero width non-joiner"},
    Known{"\xE2\x80\x8D", "", nothing, "U+200D", "zero width joiner"},
    Known{"\xE2\x80\x8E", "", nothing, "U+200E", "left-to-right mark"},
    Known{"\xE2\x80\x8F", "", nothing, "U+200F", "right-to-left mark"},
    Known{"\xE2\x80\xA8", "", blank, "U+2028", "line separator"},
    Known{"\xE2\x80\xA9", "", blank, "U+2029", "paragraph separator"},
    Known{"\xE2\x80\xAA", "", nothing, "U+202A", "left-to-right embedding"},
    Known{"\xE2\x80\xAB", "", nothing, "U+202B", "right-to-left embedding"},
    Known{"\xE2\x80\xAC", "", nothing, "U+202C", "pop directional formatting"},
    Known{"\xE2\x80\xAD", "", nothing, "U+202D", "left-to-right override"},
    Known{"\xE2\x80\xAE", "", nothing, "U+202E", "right-to-left override"},
    Known{"\xE2\x80\xAF", "", blank, "U+202F", "narrow no-break space"},
    Known{"\xE2\x81\x9F", "", blank, "U+205F", "medium mathematical space"},
    Known{"\xE2\x81\xA0", "", nothing, "U+2060", "word joiner"},
    Known{"\xE2\x81\xA6", "", nothing, "U+2066", "left-to-right isolate"},
    Known{"\xE2\x81\xA7", "", nothing, "U+2067", "right-to-left isolate"},
    Known{"\xE2\x81\xA8", "", nothing, "U+2068", "first strong isolate"},
    Known{"\xE2\x81\xA9", "", nothing, "U+2069", "pop directional isolate"},
    Known{"\xE3\x80\x80", "", blank, "U+3000", "ideographic space"},
    Known{"\xEF\xBB\xBF", "", nothing, "U+FEFF", "byte order mark"},
    Known{"\xC2\xAB", "\xAB", quotation, "U+00AB", "quotation mark"},
    Known{"\xC2\xB4", "\xB4", quotation, "U+00B4", "acute accent"},
    Known{"\xC2\xBB", "\xBB", quotation, "U+00BB", "quotation mark"},
    Known{"\xCA\xBC", "", quotation, "U+02BC", "apostrophe"},
    Known{"\xE2\x80\x98", "\x91", quotation, "U+2018", "quotation mark"},
    Known{"\xE2\x80\x99", "\x92", quotation, "U+2019", "quotation mark"},
    Known{"\xE2\x80\x9A", "\x82", quotation, "U+201A", "quotation mark"},
    Known{"\xE2\x80\x9B", "", quotation, "U+201B", "quotation mark"},
    Known{"\xE2\x80\x9C", "\x93", quotation, "U+201C", "quotation mark"},
    Known{"\xE2\x80\x9D", "\x94", quotation, "U+201D", "quotation mark"},
    Known{"\xE2\x80\x9E", "\x84", quotation, "U+201E", "quotation mark"},
    Known{"\xE2\x80\x9F", "", quotation, "U+201F", "quotation mark"},
    Known{"\xE2\x80\xB2", "", quotation, "U+2032", "prime"},
    Known{"\xE2\x80\xB3", "", quotation, "U+2033", "double prime"},
    Known{"\xE2\x80\xB9", "\x8B", quotation, "U+2039", "quotation mark"},
    Known{"\xE2\x80\xBA", "\x9B", quotation, "U+203A", "quotation mark"},
    Known{"\xEF\xBC\x82", "", quotation, "U+FF02", "full-width quotation mark"},
    Known{"\xEF\xBC\x87", "", quotation, "U+FF07", "full-width apostrophe"},
    // NOLINTEND(misc-misleading-bidirectional)
};

// The size in bytes of the UTF-8 character at the beginning; 0: there is none.
std::size_t utf8_size(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x80) return 1;
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || size > text.size()) return 0;
    const bool whole = std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(size),
                                   [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; });
    return whole ? size : 0;
}

}  // namespace

std::optional<StrangeCharacter> find_strange_character(std::string_view text, std::size_t from) {
    for (std::size_t at = from; at < text.size();) {
        const auto size = utf8_size(text.substr(at));
        const auto character = text.substr(at, std::max<std::size_t>(size, 1));
        for (const auto& known : known_characters) {
            if (character == (size == 0 ? known.windows : known.utf8))
                return StrangeCharacter{at, character.size(), known.kind, known.code, known.name};
        }
        at += character.size();
    }
    return std::nullopt;
}

std::string describe(const StrangeCharacter& character) {
    if (character.kind == quotation) return fmt::format("{} ({})", character.name, character.code);
    const bool vowel = std::string_view("aeiouO").find(character.name.front()) != std::string_view::npos;
    return fmt::format("{} {} ({})", vowel ? "an" : "a", character.name, character.code);
}

std::string with_strange_characters_shown(std::string_view text) {
    std::string shown;
    std::size_t done = 0;
    for (auto found = find_strange_character(text); found;
         found = find_strange_character(text, found->at + found->size)) {
        shown += text.substr(done, found->at - done);
        if (found->kind == quotation) {
            shown += text.substr(found->at, found->size);
        } else {
            shown += fmt::format("[{}]", found->code);
        }
        done = found->at + found->size;
    }
    return shown.append(text.substr(done));
}

}  // namespace proxyd::control
