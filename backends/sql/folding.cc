#include "backends/sql/folding.h"

#include <cstdint>
#include <cstring>

#include <unicode/ucasemap.h>

namespace proxyd::sql {

namespace {

bool is_ascii(std::string_view text) {
    constexpr std::uint64_t high_bits = 0x8080808080808080ULL;
    std::uint64_t seen = 0;
    for (std::uint64_t eight = 0; text.size() >= sizeof eight; text.remove_prefix(sizeof eight)) {
        std::memcpy(&eight, text.data(), sizeof eight);
        seen |= eight;
    }
    for (const char c : text) seen |= static_cast<unsigned char>(c);
    return (seen & high_bits) == 0;
}

// Opened once and never closed; a const UCaseMap may be used by all threads. nullptr when ICU has no data.
const UCaseMap* case_map() {
    static const UCaseMap* const map = [] {
        UErrorCode error = U_ZERO_ERROR;
        const UCaseMap* opened = ucasemap_open("", U_FOLD_CASE_DEFAULT, &error);
        return U_SUCCESS(error) ? opened : nullptr;
    }();
    return map;
}

}  // namespace

bool is_utf8(std::string_view text) {
    if (is_ascii(text)) return true;
    const std::size_t size = text.size();
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    std::size_t i = 0;
    while (i < size) {
        // Long texts are mostly ASCII.
        for (std::uint64_t eight = 0; size - i >= sizeof eight; i += sizeof eight) {
            std::memcpy(&eight, text.data() + i, sizeof eight);
            if ((eight & 0x8080808080808080ULL) != 0) break;
        }
        if (i == size) break;
        const unsigned char first = byte(i++);
        if (first < 0x80) continue;
        std::size_t more = 0;
        // The allowed range of the second byte excludes overlong forms, surrogates and > U+10FFFF.
        unsigned char low = 0x80;
        unsigned char high = 0xBF;
        if (first >= 0xC2 && first <= 0xDF) {
            more = 1;
        } else if (first >= 0xE0 && first <= 0xEF) {
            more = 2;
            if (first == 0xE0) low = 0xA0;
            if (first == 0xED) high = 0x9F;
        } else if (first >= 0xF0 && first <= 0xF4) {
            more = 3;
            if (first == 0xF0) low = 0x90;
            if (first == 0xF4) high = 0x8F;
        } else {
            return false;
        }
        if (size - i < more) return false;
        if (byte(i) < low || byte(i) > high) return false;
        for (std::size_t k = 1; k < more; ++k)
            if (byte(i + k) < 0x80 || byte(i + k) > 0xBF) return false;
        i += more;
    }
    return true;
}

std::string fold_ascii(std::string_view text) {
    std::string folded(text);
    for (char& c : folded)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    return folded;
}

std::string fold_utf8(std::string_view text) {
    const UCaseMap* map = is_ascii(text) ? nullptr : case_map();
    if (map == nullptr) return fold_ascii(text);
    std::string folded(text.size() + 16, '\0');
    for (;;) {
        UErrorCode error = U_ZERO_ERROR;
        const int32_t length = ucasemap_utf8FoldCase(map, folded.data(), static_cast<int32_t>(folded.size()),
                                                     text.data(), static_cast<int32_t>(text.size()), &error);
        if (error == U_BUFFER_OVERFLOW_ERROR) {
            folded.resize(static_cast<std::size_t>(length));
            continue;
        }
        // Only the allocation of memory can fail here, as the text is valid; a key folded less is better than
        // none.
        if (U_FAILURE(error)) return fold_ascii(text);
        folded.resize(static_cast<std::size_t>(length));
        return folded;
    }
}

AddressParts split_address(std::string_view text) {
    AddressParts parts;
    // string_view::rfind looks at one byte at a time.
    const auto* const at =
        text.empty() ? nullptr : static_cast<const char*>(memrchr(text.data(), '@', text.size()));
    parts.user = at == nullptr ? text : text.substr(0, static_cast<std::size_t>(at - text.data()));
    if (at == nullptr) return parts;
    parts.has_at = true;
    parts.domain = text.substr(parts.user.size() + 1);
    return parts;
}

}  // namespace proxyd::sql
