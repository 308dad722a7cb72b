#include "backends/report/excerpt.h"

namespace proxyd {

std::string excerpt(std::string_view text, std::size_t most) {
    if (text.size() <= most) return std::string(text);
    const auto inside = [text](std::size_t at) {
        return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
    };
    // Text that is not UTF-8 may consist of such bytes alone.
    const auto least = most > 3 ? most - 3 : 0;
    auto end = most;
    while (end > least && inside(end)) --end;
    return std::string(text.substr(0, end)) + "...";
}

}  // namespace proxyd
