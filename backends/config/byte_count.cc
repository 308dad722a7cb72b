#include "backends/config/byte_count.h"

#include <charconv>
#include <limits>

namespace proxyd::config {
namespace {

struct Unit {
    char letter;
    std::size_t bytes;
};

// The large ones first.
constexpr Unit units[] = {
    {'G', std::size_t{1} << 30}, {'M', std::size_t{1} << 20}, {'K', std::size_t{1} << 10}};

}  // namespace

std::optional<std::size_t> parse_byte_count(std::string_view text) {
    std::size_t unit = 1;
    if (!text.empty()) {
        for (const auto& [letter, bytes] : units) {
            if (text.back() == letter || text.back() == letter - 'A' + 'a') unit = bytes;
        }
    }
    if (unit != 1) text.remove_suffix(1);
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (number > std::numeric_limits<std::size_t>::max() / unit) return std::nullopt;
    return number * unit;
}

std::string byte_count_text(std::size_t bytes) {
    for (const auto& unit : units) {
        if (bytes != 0 && bytes % unit.bytes == 0) return std::to_string(bytes / unit.bytes) + unit.letter;
    }
    return std::to_string(bytes);
}

}  // namespace proxyd::config
