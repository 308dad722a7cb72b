#include "proxyd/logging/printable.h"

#include <algorithm>
#include <cstdint>

namespace proxyd::logging {
namespace {

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

bool is_break(char c) {
    return c == '\n' || c == '\r' || c == '\t';
}

// Characters that make a text look like another one: marks, embeddings, overrides and isolates of the
// direction, and the separators of lines and paragraphs.
bool changes_lines(std::uint32_t code) {
    return code == 0x61c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

// The length of the valid, printable multi-byte sequence that `text` begins with, or 0.
std::size_t sequence_length(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    const std::size_t length = lead >= 0xf0 && lead <= 0xf4   ? 4
                               : lead >= 0xe0 && lead <= 0xef ? 3
                               : lead >= 0xc2 && lead <= 0xdf ? 2
                                                              : 0;
    if (length == 0 || text.size() < length) {
        return 0;
    }
    std::uint32_t code = lead & (0x7fU >> length);
    for (const char c : text.substr(1, length - 1)) {
        if (!is_continuation(c)) {
            return 0;
        }
        code = code << 6U | (static_cast<unsigned char>(c) & 0x3fU);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    const bool control = code < 0xa0;  // U+0080 to U+009F: terminals obey some of them
    return overlong || surrogate || control || changes_lines(code) || code > 0x10ffff ? 0 : length;
}

}  // namespace

std::string printable(std::string_view text, bool keep_utf8) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty() && is_break(text.back())) {
        text.remove_suffix(1);
    }
    while (!text.empty()) {
        const char c = text.front();
        if (is_break(c)) {
            text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
            if (!out.ends_with(' ')) {
                out += ' ';
            }
            continue;
        }
        std::size_t length = c >= 0x20 && c < 0x7f ? 1 : 0;
        if (length == 0 && keep_utf8) {
            length = sequence_length(text);
        }
        if (length == 0) {
            out += '?';
            length = 1;
        } else {
            out.append(text.substr(0, length));
        }
        text.remove_prefix(length);
    }
    return out;
}

std::string plain_text(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const char c = text.front();
        const bool plain = (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t';
        const auto length = plain ? 1 : sequence_length(text);
        if (length == 0) {
            out += '?';
        } else {
            out.append(text.substr(0, length));
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

std::string_view clipped(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) {
        return text;
    }
    while (limit > 0 && is_continuation(text[limit])) {
        --limit;
    }
    return text.substr(0, limit);
}

}  // namespace proxyd::logging
